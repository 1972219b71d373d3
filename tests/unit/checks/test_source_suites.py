"""The checks of every delivered table that follow from its source's YAML: on raw rows and on logs made for them."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.checks.anomalies import DELIVERIES
from pipelines.checks.assets import complete_suites
from pipelines.checks.gx.relations import DuckDBTable
from pipelines.checks.results import CheckResult
from pipelines.checks.source_suites import CANNOT_BE_READ, suites_of
from pipelines.checks.suites import load_suites
from pipelines.checks.validation import validate
from pipelines.settings import PROJECT_DIR
from pipelines.sources import Source, load_sources

TABLE: dict[str, Any] = {
    "description": "Orders.",
    "path": "orders_{delivered_on}.csv",
    "format": "csv",
    "columns": ["order_id", "ordered_on", "amount", "email"],
    "personal_columns": ["email"],
    "key": ["order_id"],
    "date_column": "ordered_on",
}


def source(**table: Any) -> Source:
    return Source.model_validate(
        {
            "name": "shop",
            "description": "A shop.",
            "connector": "files",
            "owner": "team:commerce",
            "sla": "06:00",
            "entities": ["orders"],
            "tables": {"orders": {**TABLE, **table}},
        }
    )


def failures(folder: Path, rows: str, stage: int = 1, **table: Any) -> list[CheckResult]:
    """What fails on these rows, of raw (0) or of the log (1), without the checks that count deliveries by their files.

    Those are tested in test_comparisons.py.
    """
    shop = source(**table)
    suite = suites_of(shop, "orders", shop.tables["orders"])[stage]
    path = folder / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"create or replace table rows as {rows}")
    of_files = {spec.name for spec in suite.checks if DELIVERIES in spec.kind.needs}
    results = validate(suite, DuckDBTable(path, "main", "rows"))
    return [result for result in results if not result.passed and result.check not in of_files]


def failed(folder: Path, rows: str, stage: int = 1, **table: Any) -> dict[str, str]:
    """The messages of the checks that fail on a delivery of these rows."""
    return {result.check: result.message for result in failures(folder, rows, stage, **table)}


def log(count: int, day: str = "'2025-03-03'", amount: str = "1.5", reason: str = "null") -> str:
    return f"""
        select
            'o' || range as order_id, cast({day} as date) as ordered_on, {amount} as amount, 'a@example.com' as email,
            'orders.csv' as _source_file, range as _row_number, date '2025-03-03' as _delivered_on,
            cast({reason} as varchar) as _reject_reason, true as _is_newest
        from range({count})
    """


def log_of(*rows: tuple[str, str, float], day: str = "2025-03-03", readable: bool = True) -> str:
    """A log of (key, date, amount), in which the last row of a key is the newest."""
    values = ", ".join(f"({number}, '{key}', date '{on}', {amount})" for number, (key, on, amount) in enumerate(rows))
    return f"""
        select
            order_id, ordered_on, amount, 'orders.csv' as _source_file, number as _row_number,
            date '{day}' as _delivered_on, case when not {readable} then 'amount: empty' end as _reject_reason,
            {readable} and row_number() over (partition by order_id order by number desc) = 1 as _is_newest
        from (values {values}) as rows (number, order_id, ordered_on, amount)
    """


def test_a_good_delivery_passes(tmp_path: Path) -> None:
    assert failed(tmp_path, log(100)) == {}


NAMES_IN_OUR_QUERIES = [
    "absent", "batch", "cells", "column_name", "dated", "Day", "days", "declared_type", "delivered_rows", "differs",
    "filled", "found", "lost", "name", "other", "readable", "readable_cells", "reason", "reasons", "rows", "unreadable",
    "unreadable_cells",
]  # fmt: skip


@pytest.mark.parametrize(
    ("kinds", "fails"),
    [
        (["(negative)"], True),
        (["(negative)", "(negative)"], True),
        (["(thousands)"], True),
        (["(negative)", "(thousands)"], False),
        (["(negative)", ""], False),
        ([""], False),
    ],
)
def test_a_few_unreadable_numbers_of_one_kind_are_a_bias(tmp_path: Path, kinds: list[str], fails: bool) -> None:
    reasons = [f"when range = {row} then 'amount: cannot be read as decimal {kind}'" for row, kind in enumerate(kinds)]
    found = failed(tmp_path, log(100, reason=f"case {' '.join(reasons)} end"))
    assert ("unreadable_numbers_are_not_of_one_kind" in found) == fails


# Each name once as the key, once as the column of dates, and once as another one.
@pytest.mark.parametrize("first", range(len(NAMES_IN_OUR_QUERIES)), ids=NAMES_IN_OUR_QUERIES)
def test_a_delivered_column_may_have_a_name_that_our_queries_use(tmp_path: Path, first: int) -> None:
    key, dated, other = (NAMES_IN_OUR_QUERIES * 2)[first : first + 3]
    reason = f"case when range < 30 then '{other}: cannot be read as decimal' end"
    rows = f"""
        select * rename (order_id as "{key}", ordered_on as "{dated}", amount as "{other}")
        from ({log(100, day="'1970-01-01'", amount="case when range >= 30 and range < 35 then 1.5 end", reason=reason)})
    """
    found = failures(tmp_path, rows, columns=[key, dated, other, "email"], key=[key], date_column=dated)
    assert [result.message for result in found if result.error] == []
    assert {result.check for result in found} == {
        "dates_lie_in_window", "most_dates_lie_in_window", "columns_keep_their_type", "rows_are_readable",
        "most_rows_are_readable",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("day", "table", "checks"),
    [
        ("'2025-03-04'", {}, []),
        ("case when range < 2 then '2025-03-05' else '2025-03-03' end", {}, []),
        ("case when range < 3 then '2025-03-05' else '2025-03-03' end", {}, ["dates_lie_in_window"]),
        ("case when range < 10 then '2025-03-05' else '2025-03-03' end", {}, [
            "dates_lie_in_window", "most_dates_lie_in_window",
        ]),
        ("case when range < 3 then '1970-01-01' else '2025-03-03' end", {}, ["dates_lie_in_window"]),
        ("'2025-12-31'", {"date_window": {"days_ahead": 400}}, []),
        ("'1970-01-01'", {"date_window": {"earliest": "1950-01-01"}}, []),
        ("'2099-01-01'", {"date_column": None}, []),
    ],
)  # fmt: skip
def test_dates_lie_between_the_earliest_and_the_day_after_the_delivery(
    tmp_path: Path, day: str, table: dict[str, Any], checks: list[str]
) -> None:
    found = failed(tmp_path, log(100, day=day), **table)
    assert list(found) == checks
    if "dates_lie_in_window" in found:
        assert "_delivered_on 2025-03-03" in found["dates_lie_in_window"]


def test_a_log_without_the_date_column_is_in_no_window_and_neither_is_text_that_is_no_date(tmp_path: Path) -> None:
    assert failed(tmp_path, f"select * exclude (ordered_on) from ({log(100)})") == {}
    assert failed(tmp_path, f"select * replace ('soon' as ordered_on) from ({log(100)})") == {}


def test_a_column_that_is_mostly_empty_and_cannot_be_read_has_changed_its_type(tmp_path: Path) -> None:
    """Four of a hundred rows have an amount, and none of these can be read: a share of all rows would only warn."""
    reason = "case when range < 4 then 'amount: cannot be read as decimal' end"
    empty = log(100, amount="cast(null as double)", reason=reason)
    found = failed(tmp_path, empty)
    assert list(found) == ["rows_are_readable", "columns_keep_their_type"]
    assert "_delivered_on 2025-03-03, column_name amount" not in found["columns_keep_their_type"]  # no alias is shown
    filled = log(100, amount="case when range >= 4 then 1.5 end", reason=reason)
    assert list(failed(tmp_path, filled)) == ["rows_are_readable"]


def test_columns_with_odd_names_keep_their_type_too(tmp_path: Path) -> None:
    rows = f"""
        select *, cast(null as integer) as "segments.date" from (
            {log(100, reason="case when range < 4 then 'segments.date: cannot be read as date; amount: empty' end")}
        )
    """
    assert "columns_keep_their_type" in failed(tmp_path, rows)


def raw(count: int, broken: int, without_key: int, day: str = "2025-03-03") -> str:
    """Rows of one delivery: the first ones cannot be split into cells, and the next ones have no key."""
    return f"""
        select
            case when range >= {broken + without_key} then 'o' || range end as order_id, '2025-03-03' as ordered_on,
            '1' as amount, 'a@example.com' as email, range as _row_number, null as _unreadable_row,
            case when range < {broken} then '2 cells where the header has 4' end as _problem,
            'orders.csv' as _source_file, 'x' as _file_sha256, date '{day}' as _delivered_on,
            timestamp '2025-03-03' as _loaded_at
        from range({count})
    """


def test_raw_rows_without_cells_or_key_and_new_columns_are_told(tmp_path: Path) -> None:
    assert failed(tmp_path, raw(30, broken=3, without_key=0), stage=0).keys() == {"most_rows_are_whole"}
    with_another = f"select *, 'x' as colour from ({raw(30, broken=0, without_key=3)})"
    assert failed(tmp_path, with_another, stage=0).keys() == {"order_id_not_null", "no_new_columns"}


def test_columns_of_a_further_pattern_are_not_new_and_others_still_are(tmp_path: Path) -> None:
    rows = f"select *, 'x' as \"Plan (METADATA)\", 'x' as colour from ({raw(30, broken=0, without_key=0)})"
    found = failed(tmp_path, rows, stage=0, further_columns=["* (metadata)"])
    assert found.keys() == {"no_new_columns"}
    assert found["no_new_columns"] == "no_new_columns: column colour is new"
    assert failed(tmp_path, rows, stage=0, further_columns=["* (metadata)", "colour"]) == {}


@pytest.mark.parametrize(
    ("broken", "without_key", "check"), [(3, 0, "most_rows_are_whole"), (0, 3, "order_id_not_null")]
)
def test_raw_rows_of_a_small_bad_delivery_fail_among_many_good_ones_and_name_its_day(
    tmp_path: Path, broken: int, without_key: int, check: str
) -> None:
    good, bad = raw(1000, broken=2, without_key=2), raw(30, broken, without_key, day="2025-03-04")
    [alone] = failures(tmp_path, bad, stage=0)
    [together] = failures(tmp_path, f"{good} union all {bad}", stage=0)
    assert (alone.check, alone.failing_days) == (together.check, together.failing_days) == (check, ("2025-03-04",))
    assert alone.unexpected_count == together.unexpected_count


@pytest.mark.parametrize(
    ("bad", "checks"),
    [
        ({"day": "'2099-01-01'"}, ["dates_lie_in_window", "most_dates_lie_in_window"]),
        ({"reason": "'email: empty'"}, ["rows_are_readable", "most_rows_are_readable"]),
        (
            {"amount": "null::double", "reason": "case when range < 4 then 'amount: cannot be read as decimal' end"},
            ["rows_are_readable", "columns_keep_their_type"],
        ),
    ],
)
def test_rows_of_the_log_name_the_day_of_a_bad_delivery_among_good_ones(
    tmp_path: Path, bad: dict[str, str], checks: list[str]
) -> None:
    bad_day = f"select * replace (date '2025-03-02' as _delivered_on) from ({log(100, **bad)})"
    found = failures(tmp_path, f"{log(5000)} union all {bad_day}")
    assert [(result.check, result.failing_days) for result in found] == [(check, ("2025-03-02",)) for check in checks]


def test_a_table_without_a_rhythm_has_no_volume_and_thresholds_are_the_tables(tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    text = """
description: A shop.
connector: files
owner: team:commerce
sla: "06:00"
entities: [orders]
tables:
  orders: &orders
    description: Orders.
    path: own/orders_{delivered_on}.csv
    format: csv
    columns: [id]
    key: [id]
    volume: off
  lines:
    <<: *orders
    path: own/lines_{delivered_on}.csv
    volume: {below: 0.2, at_least: 500, since: 2025-02-01}
"""
    (tmp_path / "sources" / "own.yml").write_text(text)
    [own] = load_sources(["own"], tmp_path)
    off, [*_, usual, plausible] = (suites_of(own, name, table)[0].expectations for name, table in own.tables.items())
    assert not [spec for spec in off if "row_count" in spec.name]
    assert (usual.severity, plausible.severity) == ("warning", "critical")
    assert {name: str(value) for name, value in plausible.kwargs.items()} == {
        "below": "0.2", "above": "3", "at_least": "500", "since": "2025-02-01",
    }  # fmt: skip


def test_a_suite_of_ones_own_extends_or_replaces_what_follows_from_the_source(tmp_path: Path) -> None:
    path = tmp_path / "raw" / "shop__orders.yml"
    path.parent.mkdir()
    text = (
        "owner: me\ndescription: mine\nexpectations:\n  - {type: expect_column_to_exist, kwargs: {column: a}, why: w}\n"
    )
    path.write_text("shipped_suite: extended\n" + text)
    generated = suites_of(source(), "orders", source().tables["orders"])[0]
    extended = complete_suites(load_suites(tmp_path), [source()])["raw", "shop__orders"]
    assert [spec.name for spec in extended.checks] == [*(spec.name for spec in generated.checks), "a_exists"]
    assert extended.personal_columns == ["email"]
    path.write_text("shipped_suite: replaced\n" + text)
    assert len(complete_suites(load_suites(tmp_path), [source()])["raw", "shop__orders"].expectations) == 1
    path.write_text(text)
    assert len(complete_suites(load_suites(tmp_path), [source()])["raw", "shop__orders"].expectations) == 1


# --------------------------------------------------------------------------------------------- one row per key and day

TWO_LINES = (("A", "2025-03-01", 10.0), ("A", "2025-03-01", 20.0), ("B", "2025-03-01", 5.0))


def test_rows_of_one_delivery_that_share_a_key_and_differ_are_told(tmp_path: Path) -> None:
    found = failed(tmp_path, log_of(*TWO_LINES))
    assert list(found) == ["rows_of_one_key_are_equal"]
    message = found["rows_of_one_key_are_equal"]
    assert "1 of 3 rows breaks the rule (Of rows of one delivery that share order_id and differ" in message
    assert message.endswith("first: orders.csv row 0 (_delivered_on 2025-03-03)")


def test_many_of_them_block(tmp_path: Path) -> None:
    rows = [(f"K{number % 30}", "2025-03-01", float(number)) for number in range(33)]
    assert list(failed(tmp_path, log_of(*rows))) == ["rows_of_one_key_are_equal"]  # 3 of 33
    found = failed(tmp_path, log_of(*rows, ("K9", "2025-03-01", 0.5)))  # 4 of 34
    assert list(found) == ["rows_of_one_key_are_equal", "most_rows_have_a_key_of_their_own"]


def test_equal_rows_are_told_where_nothing_but_the_whole_row_is_the_key(tmp_path: Path) -> None:
    twice = log_of(("A", "2025-03-01", 10.0), ("A", "2025-03-01", 10.0))
    assert failed(tmp_path, twice) == {}
    whole = f"select *, null::varchar as email from ({twice})"
    assert list(failed(tmp_path, whole, key="all")) == ["rows_come_once"]


def test_versions_of_a_row_are_told_by_what_says_which_is_newer(tmp_path: Path) -> None:
    versions = (("A", "2025-03-01", 10.0), ("A", "2025-03-02", 20.0))
    assert list(failed(tmp_path, log_of(*versions))) == ["rows_of_one_key_are_equal"]
    assert failed(tmp_path, log_of(*versions), newest_by=["ordered_on"]) == {}


def test_a_key_that_comes_again_on_another_day_is_a_correction(tmp_path: Path) -> None:
    corrected = f"{log_of(('A', '2025-03-01', 10.0))} union all {log_of(('A', '2025-03-01', 20.0), day='2025-03-04')}"
    assert failed(tmp_path, f"select * replace (_delivered_on > '2025-03-03' as _is_newest) from ({corrected})") == {}


def test_rows_without_a_key_of_their_own_share_none(tmp_path: Path) -> None:
    assert failed(tmp_path, log_of(*TWO_LINES), key=["_source_file", "_row_number"]) == {}


def test_the_whole_row_can_be_the_key_with_empty_cells(tmp_path: Path) -> None:
    whole = source(key="all").tables["orders"]
    assert (whole.key, whole.key_is_whole_row) == (["order_id", "ordered_on", "amount", "email"], True)
    raw = """
        select
            'o' || range as order_id, null::varchar as ordered_on, '1' as amount, null::varchar as email,
            range as _row_number, null as _unreadable_row, null::varchar as _problem, 'orders.csv' as _source_file,
            'x' as _file_sha256, date '2025-03-03' as _delivered_on, timestamp '2025-03-03' as _loaded_at
        from range(30)
    """
    assert failed(tmp_path, raw, stage=0, key="all") == {}
    assert failed(tmp_path, raw, stage=0, key=["order_id", "email"]).keys() == {"email_not_null"}


def test_models_give_the_reason_that_the_check_of_retyped_columns_looks_for() -> None:
    macro = (PROJECT_DIR / "dbt_project" / "macros" / "staging.sql").read_text(encoding="utf-8")
    assert f"}}}}{CANNOT_BE_READ}{{{{ column[1] }}}}'" in macro
