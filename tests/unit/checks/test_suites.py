"""Suite files: what is accepted, and what is refused with its line."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.checks.gx.expectation_types import ALLOWED, REFUSED
from pipelines.checks.suites import load_suite, load_suites
from pipelines.config_files import ConfigError

HEAD = "owner: Sales data\ndescription: Orders.\nexpectations:\n"


def write(folder: Path, text: str, stage: str = "raw", table: str = "orders") -> Path:
    path = folder / stage / f"{table}.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def refusal(folder: Path, expectation: str) -> str:
    path = write(folder, HEAD + expectation)
    with pytest.raises(ConfigError) as error:
        load_suite(path)
    return str(error.value).removeprefix(str(path))


def test_a_suite_takes_stage_and_table_from_its_path(tmp_path):
    suite = load_suite(write(tmp_path, HEAD.replace("expectations:", "expectations: []"), "marts", "fct_orders"))
    assert (suite.stage, suite.name) == ("marts", "fct_orders")


def test_every_suite_checks_for_rows_unless_it_allows_an_empty_table(tmp_path):
    text = "owner: x\ndescription: y\n"
    assert [spec.name for spec in load_suite(write(tmp_path, text)).checks] == ["not_empty"]
    assert load_suite(write(tmp_path, text + "allow_empty: true\n")).checks == ()


def test_a_check_is_named_after_columns_and_type(tmp_path):
    suite = load_suite(
        write(
            tmp_path,
            HEAD
            + "  - {type: expect_column_values_to_not_be_null, kwargs: {column: Order ID}, why: w}\n"
            + "  - {type: expect_compound_columns_to_be_unique, kwargs: {column_list: [a, b]}, why: w}\n"
            + "  - {type: expect_table_columns_to_match_ordered_list, kwargs: {column_list: [a, b]}, why: w}\n"
            + "  - {type: expect_column_values_to_be_null, kwargs: {column: a}, name: mine, why: w}\n",
        )
    )
    assert [spec.name for spec in suite.expectations] == [
        "order_id_not_null",
        "a_b_unique_together",
        "columns_match_list",
        "mine",
    ]


def test_a_runbook_is_the_checks_the_suites_the_types_or_the_stages(tmp_path):
    unique = "  - {type: expect_column_values_to_be_unique, kwargs: {column: COLUMN}, why: w}\n"
    checks = (
        unique.replace("COLUMN", "a").replace("why: w", "why: w, runbook: 'wiki#mine'")
        + unique.replace("COLUMN", "b")
        + "  - {type: expect_column_values_to_not_be_null, kwargs: {column: a}, why: w}\n"
    )
    suite = load_suite(write(tmp_path, HEAD + checks, "marts"))
    assert suite.runbook == "docs/operations.md#reconciliation"
    keys = "docs/operations.md#keys-and-duplicates"
    assert [spec.runbook for spec in suite.expectations] == ["wiki#mine", keys, None]
    suite = load_suite(write(tmp_path, "runbook: 'wiki#ours'\n" + HEAD + checks, "marts"))
    assert suite.runbook == "wiki#ours"
    assert [spec.runbook for spec in suite.expectations] == ["wiki#mine", None, None]


def test_two_checks_of_one_name_are_refused(tmp_path):
    twice = "  - {type: expect_column_values_to_not_be_null, kwargs: {column: a}, why: w}\n" * 2
    assert "expectations 1 and 2 are both called a_not_null" in refusal(tmp_path, twice)


@pytest.mark.parametrize(
    ("expectation", "message"),
    [
        ("{type: expect_nonsense, why: w}", "expectations.1.type: expect_nonsense is not a supported expectation"),
        (
            "{type: expect_column_values_to_be_of_type, kwargs: {column: a, type_: x}, why: w}",
            "is not supported here: use expect_column_type_to_be with DuckDB's name of the type",
        ),
        (
            "{type: expect_column_values_to_match_regex, kwargs: {column: a, regex: '(?=b)'}, why: w}",
            "regex: DuckDB cannot read '(?=b)': invalid perl operator: (?=.",
        ),
        (
            "{type: expect_column_values_to_match_strftime_format, kwargs: {column: a, strftime_format: '%Q'}, why: w}",
            "strftime_format: DuckDB cannot read '%Q': ",
        ),
        (
            "{type: expect_column_type_to_be, kwargs: {column: a, type_: number}, why: w}",
            "type_: DuckDB has no type 'number': ",
        ),
        (
            "{type: expect_rows_to_satisfy, name: r, kwargs: {condition: a >}, why: w}",
            "condition: DuckDB cannot read 'a >': syntax error",
        ),
        (
            "{type: expect_total_to_equal_query, name: r, kwargs: {total: count(*), query: select 1;}, why: w}",
            "query: DuckDB cannot read 'select 1;': syntax error",
        ),
        (
            "{type: expect_column_to_exist, kwargs: {column: a, column_index: 0}, why: w}",
            "column_index: Great Expectations ignores position 0",
        ),
        *(
            (
                "{type: expect_column_quantile_values_to_be_between, "
                f"kwargs: {{column: a, quantile_ranges: {ranges}}}, why: w}}",
                "quantile_ranges must be like {quantiles: [0.5, 0.9]",
            )
            for ranges in (
                "[0.5]",
                "{quantiles: [0.5]}",
                "{quantiles: [0.5, 0.9], value_ranges: [[1, 2]]}",
                "{quantiles: [50], value_ranges: [[1, 2]]}",
                "{quantiles: [0.5], value_ranges: [[null, null]]}",
                "{quantiles: [0.5], value_ranges: [[a, b]]}",
                "{quantiles: [], value_ranges: []}",
            )
        ),
        *(
            (f"{{type: expect_column_newest_value_to_be_recent, kwargs: {{column: a, {kwargs}}}, why: w}}", message)
            for kwargs, message in (
                ("relative_to: b", "give either max_age_days or max_age_hours"),
                ("relative_to: b, max_age_days: 1, max_age_hours: 1", "give either max_age_days or max_age_hours"),
                ("relative_to: b, max_age_days: -1", "a number from 0"),
                (
                    "relative_to: b.c, max_age_days: 1",
                    "relative_to must be a column of the table, such as _delivered_on",
                ),
                ("max_age_days: 1", "needs relative_to"),
            )
        ),
        ("{type: expect_column_dates_to_have_no_gaps, kwargs: {column: a, unit: hour}, why: w}", "unit must be one of"),
        (
            "{type: expect_column_dates_to_have_no_gaps, kwargs: {column: a, group_by: b}, why: w}",
            "group_by must be a list",
        ),
        (
            "{type: expect_column_values_to_increase, kwargs: {column: a, order_by: b}, why: w}",
            "order_by must be a list",
        ),
        ("{type: expect_column_values_to_not_be_null, kwargs: {}, why: w}", "needs column"),
        (
            "{type: expect_column_values_to_not_be_null, kwargs: {column: a, colour: b}, why: w}",
            "does not take colour; it takes column, mostly",
        ),
        ("{type: expect_column_values_to_be_in_set, kwargs: {column: a, value_set: []}, why: w}", "at least one entry"),
        (
            "{type: unexpected_rows_expectation, name: r, kwargs: {unexpected_rows_query: select 1}, why: w}",
            "the query must read from {batch}",
        ),
        ("{type: expect_column_to_exist, kwargs: {column: 3}, why: w}", "column names must be text"),
        ("{type: expect_column_to_exist, kwargs: {column: a}, name: A b, why: w}", "may contain only a-z, 0-9 and _"),
        ("{type: expect_column_to_exist, kwargs: {column: a}, name: not_empty, why: w}", "not_empty is checked anyway"),
        ("{type: expect_column_to_exist, kwargs: {column: a}}", "expectations.1.why: missing"),
        ("{type: expect_column_to_exist, kwargs: {column: a}, why: w, severity: bad}", "expectations.1.severity"),
        ("{type: expect_column_to_exist, kwargs: {column: a}, why: w, serverity: info}", "unknown key"),
    ],
)
def test_a_wrong_expectation_is_refused_with_its_line(tmp_path, expectation, message):
    fine = "  - {type: expect_column_to_exist, kwargs: {column: z}, why: w}\n"
    text = refusal(tmp_path, f"{fine}  - {expectation}\n")
    assert message in text
    assert text.startswith(":3: expectations: " if message.startswith("not_empty") else ":5: expectations.1")


def test_suites_of_two_folders_are_joined(tmp_path):
    write(tmp_path / "ours", "owner: x\ndescription: y\n")
    write(tmp_path / "theirs", "owner: x\ndescription: y\n", table="refunds")
    suites = load_suites(tmp_path / "ours", tmp_path / "theirs", tmp_path / "absent")
    assert list(suites) == [("raw", "orders"), ("raw", "refunds")]


def test_a_table_with_two_suites_is_refused_naming_both(tmp_path):
    first = write(tmp_path / "ours", "owner: x\ndescription: y\n")
    second = write(tmp_path / "theirs", "owner: x\ndescription: y\n")
    with pytest.raises(ConfigError, match="is already the suite of raw/orders") as error:
        load_suites(tmp_path / "ours", tmp_path / "theirs")
    assert str(first) in str(error.value)
    assert str(second) in str(error.value)


def test_a_later_suite_extends_or_replaces_an_earlier_one_when_it_says_so(tmp_path):
    check = "  - {type: expect_column_to_exist, kwargs: {column: COLUMN}, why: w}\n"
    write(tmp_path / "ours", HEAD + check.replace("COLUMN", "a"))
    path = write(tmp_path / "theirs", "shipped_suite: extended\n" + HEAD + check.replace("COLUMN", "b"))
    extended = load_suites(tmp_path / "ours", tmp_path / "theirs")["raw", "orders"]
    assert [spec.name for spec in extended.checks] == ["not_empty", "a_exists", "b_exists"]
    path.write_text("shipped_suite: replaced\n" + HEAD + check.replace("COLUMN", "b"))
    replaced = load_suites(tmp_path / "ours", tmp_path / "theirs")["raw", "orders"]
    assert [spec.name for spec in replaced.checks] == ["not_empty", "b_exists"]
    path.write_text("shipped_suite: extended\n" + HEAD + check.replace("COLUMN", "a"))
    with pytest.raises(ConfigError, match=r"orders.yml:1: a_exists is already a check of raw/orders \(orders.yml\)"):
        load_suites(tmp_path / "ours", tmp_path / "theirs")


@pytest.mark.parametrize(
    ("expectation", "message"),
    [
        ("{type: expect_row_counts_to_be_usual, kwargs: {deviations: many}, why: w}", "could not convert string"),
        ("{type: expect_row_counts_to_be_usual, kwargs: {since: yesterday}, why: w}", "Invalid isoformat string"),
        ("{type: expect_daily_values_to_be_usual, kwargs: {day: d}, why: w}", "needs value"),
    ],
)
def test_kwargs_that_no_query_can_be_made_of_are_refused(tmp_path, expectation, message):
    assert message in refusal(tmp_path, f"  - {expectation}\n")


def test_all_wrong_files_are_named_at_once(tmp_path):
    write(tmp_path, "owner: x\n", table="a")
    write(tmp_path, "owner: x\n", table="b")
    with pytest.raises(ConfigError) as error:
        load_suites(tmp_path)
    assert "a.yml:1: description: missing" in str(error.value)
    assert "b.yml:1: description: missing" in str(error.value)


def test_nothing_that_definitions_load_imports_great_expectations():
    code = (
        "import sys, pipelines.checks.asset_checks, pipelines.checks.data_docs.build, pipelines.checks.history;"
        "sys.exit('great_expectations' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", sorted(name for name, kind in ALLOWED.items() if not (kind.query or kind.figures)))
def test_great_expectations_takes_what_our_table_says(name):
    from great_expectations.expectations.registry import get_expectation_impl

    import pipelines.checks.gx.engine  # noqa: F401  # registers the type of ours that Great Expectations counts

    model_fields = get_expectation_impl(name).__fields__
    kind = ALLOWED[name]
    assert {*kind.required, *kind.optional} <= set(model_fields)
    assert {field for field, model in model_fields.items() if model.required} <= set(kind.required)
    assert (kind.fault is None) == bool(kind.measure)


def test_every_refused_expectation_exists_and_is_not_allowed():
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    assert set(REFUSED) <= set(list_registered_expectation_implementations())
    assert not set(REFUSED) & set(ALLOWED)
