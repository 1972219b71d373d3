"""What validating one table finds, on DuckDB, through Great Expectations."""

import gc
from pathlib import Path

import duckdb
import pytest

from pipelines.quality.expectation_types import ALLOWED
from pipelines.quality.gx_duckdb import run_expectations
from pipelines.quality.relations import DuckDBTable, ParquetFiles, opened
from pipelines.quality.validation import validate

COLUMNS = ["order_id", "status", "amount", "code", "ordered_on", "paid_on", "email", "_source_file", "_row_number"]

# Per type: kwargs that hold of `raw.orders`, kwargs that do not, and how many rows then fail (None: not about rows).
CASES = {
    "expect_table_row_count_to_be_between": ({"min_value": 1, "max_value": 4}, {"min_value": 5}, None),
    "expect_table_row_count_to_equal": ({"value": 4}, {"value": 3}, None),
    "expect_table_row_count_to_equal_other_table": (
        {"other_table_name": "customers"},
        {"other_table_name": "nothing"},
        None,
    ),
    "expect_table_column_count_to_be_between": ({"min_value": 9}, {"max_value": 8}, None),
    "expect_table_column_count_to_equal": ({"value": 9}, {"value": 8}, None),
    "expect_table_columns_to_match_set": ({"column_set": COLUMNS[::-1]}, {"column_set": COLUMNS[1:]}, None),
    "expect_table_columns_to_match_ordered_list": ({"column_list": COLUMNS}, {"column_list": COLUMNS[::-1]}, None),
    "expect_column_to_exist": ({"column": "code"}, {"column": "colour"}, None),
    "expect_column_values_to_not_be_null": ({"column": "_source_file"}, {"column": "order_id"}, 1),
    "expect_column_values_to_be_null": ({"column": "order_id", "mostly": 0.25}, {"column": "order_id"}, 3),
    "expect_column_values_to_be_unique": ({"column": "code"}, {"column": "order_id"}, 2),
    "expect_compound_columns_to_be_unique": (
        {"column_list": ["order_id", "code"]},
        {"column_list": ["order_id", "status"]},
        2,
    ),
    "expect_column_values_to_be_in_set": (
        {"column": "status", "value_set": ["paid", "open"]},
        {"column": "status", "value_set": ["paid"]},
        2,
    ),
    "expect_column_values_to_not_be_in_set": (
        {"column": "status", "value_set": ["lost"]},
        {"column": "status", "value_set": ["paid"]},
        1,
    ),
    "expect_column_values_to_be_between": (
        {"column": "amount", "min_value": 10.5, "max_value": 30},
        {"column": "amount", "min_value": 10.5, "strict_min": True, "max_value": 29},
        2,
    ),
    "expect_column_value_lengths_to_be_between": (
        {"column": "code", "min_value": 2, "max_value": 4},
        {"column": "code", "min_value": 3},
        1,
    ),
    "expect_column_value_lengths_to_equal": ({"column": "status", "value": 4}, {"column": "code", "value": 3}, 2),
    "expect_column_pair_values_a_to_be_greater_than_b": (
        {"column_A": "amount", "column_B": "order_id"},
        {"column_A": "paid_on", "column_B": "ordered_on"},
        2,
    ),
    "expect_column_pair_values_to_be_equal": (
        {"column_A": "code", "column_B": "code"},
        {"column_A": "paid_on", "column_B": "ordered_on"},
        2,
    ),
    "unexpected_rows_expectation": (
        {"unexpected_rows_query": "select * from {batch} where not regexp_matches(code, '^[a-z]{2,4}$')"},
        {"unexpected_rows_query": "select * from {batch} as o join raw.customers on customer_id = o.order_id"},
        3,
    ),
    "expect_column_values_to_be_known": (
        {"column": "order_id", "table": "raw.customers", "other_column": "customer_id"},
        {"column": "amount", "table": "raw.customers", "other_column": "customer_id"},
        3,
    ),
    "expect_column_dates_not_to_lie_ahead": (
        {"column": "paid_on", "than": "ordered_on"},
        {"column": "paid_on", "than": "ordered_on", "days": 0},
        1,
    ),
    "expect_column_min_to_be_between": (
        {"column": "amount", "min_value": 10},
        {"column": "amount", "min_value": 11},
        None,
    ),
    "expect_column_max_to_be_between": (
        {"column": "amount", "max_value": 30},
        {"column": "amount", "max_value": 29},
        None,
    ),
    "expect_column_mean_to_be_between": (
        {"column": "amount", "min_value": 20, "max_value": 21},
        {"column": "amount", "max_value": 20},
        None,
    ),
    "expect_column_median_to_be_between": (
        {"column": "amount", "min_value": 20, "max_value": 20},
        {"column": "amount", "max_value": 19},
        None,
    ),
    "expect_column_sum_to_be_between": (
        {"column": "amount", "min_value": 60.5, "max_value": 60.5},
        {"column": "amount", "max_value": 60},
        None,
    ),
    "expect_column_stdev_to_be_between": (
        {"column": "amount", "min_value": 9, "max_value": 10},
        {"column": "amount", "max_value": 9},
        None,
    ),
    "expect_column_unique_value_count_to_be_between": (
        {"column": "status", "min_value": 2, "max_value": 2},
        {"column": "status", "min_value": 3},
        None,
    ),
    "expect_column_proportion_of_unique_values_to_be_between": (
        {"column": "order_id", "max_value": 0.7},
        {"column": "order_id", "min_value": 0.7},
        None,
    ),
    "expect_column_proportion_of_non_null_values_to_be_between": (
        {"column": "order_id", "min_value": 0.75},
        {"column": "order_id", "min_value": 0.8},
        None,
    ),
    "expect_column_distinct_values_to_be_in_set": (
        {"column": "status", "value_set": ["paid", "open", "lost"]},
        {"column": "status", "value_set": ["paid"]},
        None,
    ),
    "expect_column_distinct_values_to_contain_set": (
        {"column": "status", "value_set": ["paid"]},
        {"column": "status", "value_set": ["lost"]},
        None,
    ),
    "expect_column_distinct_values_to_equal_set": (
        {"column": "status", "value_set": ["paid", "open"]},
        {"column": "status", "value_set": ["paid"]},
        None,
    ),
}


def test_every_allowed_type_has_a_case():
    # What judges figures needs views beside the table: test_usual.py and test_comparisons.py.
    assert set(CASES) == {name for name, kind in ALLOWED.items() if kind.figures is None}


@pytest.mark.parametrize("name", CASES)
def test_a_type_passes_where_it_holds(name, orders, write_suite):
    suite = write_suite({"type": name, "kwargs": CASES[name][0], "name": "it"}, allow_empty=True)
    (result,) = validate(suite, orders)
    assert result.error is None
    assert result.passed


@pytest.mark.parametrize("name", CASES)
def test_a_type_fails_where_it_does_not_hold_and_points_at_the_rows(name, orders, write_suite):
    _, kwargs, failing = CASES[name]
    suite = write_suite({"type": name, "kwargs": kwargs, "name": "it"}, allow_empty=True)
    (result,) = validate(suite, orders)
    assert result.error is None
    assert not result.passed
    assert result.unexpected_count == failing
    assert len(result.examples) == (failing or 0)  # our own condition finds the rows that Great Expectations counted


def test_the_message_names_column_counts_file_and_row(orders, write_suite, expect_not_null):
    (result,) = validate(write_suite(expect_not_null("order_id"), allow_empty=True), orders)
    assert result.message == "order_id: 1 of 4 rows is empty, first: b.csv row 3"
    assert result.examples == [{"_source_file": "b.csv", "_row_number": 3, "order_id": None}]


def test_rows_without_a_source_are_named_by_the_key_of_the_suite(warehouse, write_suite):
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create table raw.totals as select 'a' as shop, 7 as day, -1 as total")
    suite = write_suite(
        {"type": "expect_compound_columns_to_be_unique", "kwargs": {"column_list": ["shop", "day"]}},
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "total", "min_value": 0}},
        table="totals",
    )
    result = validate(suite, DuckDBTable(warehouse, "raw", "totals"))[-1]
    assert result.message == "total: 1 of 1 rows is not at least 0, first: shop a, day 7"


def test_a_share_of_failing_rows_may_be_allowed(orders, write_suite):
    kwargs = {"column": "order_id", "mostly": 0.75}
    (result,) = validate(
        write_suite({"type": "expect_column_values_to_not_be_null", "kwargs": kwargs}, allow_empty=True), orders
    )
    assert result.passed
    assert result.message == "order_id: 1 of 4 rows is empty, expected not empty in at least 75 % of rows"


def test_few_unknown_values_may_be_allowed_and_are_told(orders, write_suite):
    known = {"column": "amount", "table": "raw.customers", "other_column": "customer_id"}
    spec = {"type": "expect_column_values_to_be_known", "name": "known"}

    def result(**kwargs):
        return validate(write_suite({**spec, "kwargs": known | kwargs}, allow_empty=True), orders)[0]

    assert not result(mostly=0.1).passed
    assert result(at_least=4).passed
    assert result(at_least=4).message == (
        "amount: 3 of 4 rows are not in raw.customers, expected in raw.customers (fewer than 4 rows may not be)"
    )
    assert result(mostly=0).message == (
        "amount: 3 of 4 rows are not in raw.customers, expected in raw.customers in at least 0 % of rows"
    )


def test_a_broken_rule_says_why_it_is_one(orders, write_suite):
    rule = {"unexpected_rows_query": "select _source_file, _row_number from {batch} where status is null"}
    suite = write_suite(
        {"type": "unexpected_rows_expectation", "name": "has_status", "kwargs": rule, "why": "No status, no sale."},
        allow_empty=True,
    )
    (result,) = validate(suite, orders)
    assert result.message == "has_status: 1 of 4 rows breaks the rule (No status, no sale), first: b.csv row 3"


@pytest.mark.parametrize(
    "condition",
    [
        "status is null -- a comment",
        "status is null;\n",
        "coalesce(status, '{x}') like '{%'",
        "':x y::z' <> status or status is null",
    ],
)
def test_a_rule_may_hold_any_sql(orders, write_suite, condition):
    kwargs = {"unexpected_rows_query": f"select * from {{batch}} as o where o.code is null and {condition}"}
    suite = write_suite({"type": "unexpected_rows_expectation", "kwargs": kwargs}, allow_empty=True)
    (result,) = validate(suite, orders)
    assert result.error is None
    assert (result.unexpected_count, len(result.examples)) == (1, 1)


def test_results_come_in_the_order_of_the_suite(orders, write_suite, expect_not_null):
    suite = write_suite(
        expect_not_null("nowhere"),
        {"type": "expect_column_sum_to_be_between", "kwargs": {"column": "amount", "min_value": 1}},
        expect_not_null("status"),
        {"type": "expect_table_row_count_to_equal", "kwargs": {"value": 4}},
    )
    assert [result.check for result in validate(suite, orders)] == [spec.name for spec in suite.checks]


def test_a_missing_column_fails_its_own_checks_only(orders, write_suite, expect_not_null):
    found = {
        result.check: result
        for result in validate(write_suite(expect_not_null("colour"), expect_not_null("_source_file")), orders)
    }
    assert found["_source_file_not_null"].passed
    assert not found["colour_not_null"].passed
    assert found["colour_not_null"].message.startswith("colour: not checked, column colour is missing. The table has")


def test_an_engine_error_fails_its_own_check_only(orders, write_suite, expect_not_null):
    found = {
        result.check: result
        for result in validate(
            write_suite(
                {"type": "expect_column_sum_to_be_between", "kwargs": {"column": "status", "min_value": 1}},
                {"type": "expect_column_sum_to_be_between", "kwargs": {"column": "amount", "min_value": 1}},
                expect_not_null("_source_file"),
            ),
            orders,
        )
    }
    assert [name for name, result in found.items() if not result.passed] == ["status_sum_between"]
    assert "Binder Error" in found["status_sum_between"].error


def test_kwargs_that_great_expectations_refuses_fail_their_own_check_only(orders, write_suite, expect_not_null):
    found = {
        result.check: result
        for result in validate(
            write_suite(
                {"type": "expect_column_values_to_be_between", "kwargs": {"column": "amount", "min_value": "much"}},
                expect_not_null("_source_file"),
            ),
            orders,
        )
    }
    assert [name for name, result in found.items() if not result.passed] == ["amount_between"]
    assert "min_value: value is not a valid float" in found["amount_between"].message


def test_great_expectations_does_not_close_the_connection_that_examples_need(orders, write_suite, expect_not_null):
    with opened(orders) as batch:
        run_expectations(batch.engine, write_suite(expect_not_null("order_id")).checks)
        gc.collect()
        assert len(batch.rows("select * from batch")) == 4


def test_a_missing_table_fails_every_check(warehouse, write_suite, expect_not_null):
    results = validate(write_suite(expect_not_null("order_id")), DuckDBTable(warehouse, "raw", "refunds"))
    assert [result.passed for result in results] == [False, False]
    assert all("Table with name refunds does not exist" in result.message for result in results)


def test_a_missing_file_fails_every_check_and_is_not_made(tmp_path, write_suite, expect_not_null):
    path = tmp_path / "absent.duckdb"
    results = validate(write_suite(expect_not_null("order_id")), DuckDBTable(path, "raw", "orders"))
    assert [result.passed for result in results] == [False, False]
    assert not path.exists()


def test_a_result_that_great_expectations_leaves_out_is_a_failed_check(orders, write_suite, monkeypatch):
    from great_expectations.datasource.fluent.interfaces import Batch

    original = Batch.validate

    def forgetful(self, *args, **kwargs):
        found = original(self, *args, **kwargs)
        found.results.clear()
        return found

    monkeypatch.setattr(Batch, "validate", forgetful)
    (result,) = validate(write_suite(), orders)
    assert not result.passed
    assert "returned no result" in result.message


@pytest.mark.parametrize("allowed", [False, True])
def test_an_empty_table_passes_only_where_that_is_allowed(warehouse, write_suite, expect_not_null, allowed):
    suite = write_suite(
        expect_not_null("order_id"),
        {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "amount", "min_value": 1}},
        {"type": "expect_column_to_exist", "kwargs": {"column": "order_id"}},
        allow_empty=allowed,
    )
    found = {result.check: result.passed for result in validate(suite, DuckDBTable(warehouse, "raw", "nothing"))}
    assert found.pop("order_id_exists")
    assert set(found.values()) == {allowed}


def test_a_rule_about_rows_that_are_missing_fails_even_where_no_rows_are_allowed(warehouse, write_suite):
    query = "select * from raw.customers where customer_id not in (select order_id from {batch})"
    kwargs = {"unexpected_rows_query": query}
    suite = write_suite({"type": "unexpected_rows_expectation", "kwargs": kwargs}, allow_empty=True)
    (result,) = validate(suite, DuckDBTable(warehouse, "raw", "nothing"))
    assert not result.passed
    assert result.unexpected_count == 4


def test_a_missing_column_fails_even_where_no_rows_are_allowed(warehouse, write_suite, expect_not_null):
    suite = write_suite(expect_not_null("colour"), allow_empty=True)
    (result,) = validate(suite, DuckDBTable(warehouse, "raw", "nothing"))
    assert not result.passed


@pytest.mark.parametrize("allowed", [False, True])
def test_no_files_pass_only_where_an_empty_table_is_allowed(write_suite, expect_not_null, allowed):
    suite = write_suite(expect_not_null("order_id"), allow_empty=allowed)
    results = validate(suite, ParquetFiles(()))
    assert {result.passed for result in results} == {allowed}
    assert "no files" in results[0].message


def test_parquet_files_are_one_table_whatever_their_paths(tmp_path, write_suite, expect_not_null):
    folder = tmp_path / "day=2025-01-01" / "it's [1] * ?"
    folder.mkdir(parents=True)
    paths = (folder / "a [b]*.parquet", folder / "c.parquet")
    duckdb.sql("select 1 as order_id").to_parquet(str(tmp_path / "plain.parquet"))
    (tmp_path / "plain.parquet").rename(paths[0])
    duckdb.sql("select 2 as order_id, 'x' as added").to_parquet(str(tmp_path / "plain.parquet"))
    (tmp_path / "plain.parquet").rename(paths[1])
    suite = write_suite(
        {"type": "expect_table_row_count_to_equal", "kwargs": {"value": 2}},
        {"type": "expect_table_columns_to_match_set", "kwargs": {"column_set": ["order_id", "added"]}},
        expect_not_null("order_id"),
        expect_not_null("added"),
    )
    found = {result.check: result.passed for result in validate(suite, ParquetFiles(paths))}
    assert [check for check, passed in found.items() if not passed] == ["added_not_null"]


@pytest.mark.parametrize(
    "query",
    ["select * from {batch}, range(100000)", "select no_such_column from {batch}", "select * from {batch} limit 0"],
)
def test_the_file_can_be_written_right_after(warehouse: Path, write_suite, query):
    kwargs = {"unexpected_rows_query": query}
    suite = write_suite({"type": "unexpected_rows_expectation", "kwargs": kwargs})
    validate(suite, DuckDBTable(warehouse, "raw", "orders"))
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create table raw.after_it as select 1")


def test_validating_leaves_the_file_as_it_was(warehouse, orders, write_suite, expect_not_null):
    before = warehouse.read_bytes()
    validate(write_suite(expect_not_null("order_id")), orders)
    assert warehouse.read_bytes() == before


def test_nothing_is_printed(orders, write_suite, expect_not_null, capfd):
    validate(write_suite(expect_not_null("order_id")), orders)
    assert capfd.readouterr() == ("", "")


def test_no_result_shows_a_value_of_a_personal_column(orders, write_suite):
    rule = "select email as innocent, _source_file from {batch} where email is not null"
    failing_cast = "select cast(email as integer) from {batch}"
    suite = write_suite(
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "email", "value_set": ["x"]}},
        {"type": "expect_column_value_lengths_to_equal", "kwargs": {"column": "email", "value": 1}},
        {"type": "expect_column_distinct_values_to_be_in_set", "kwargs": {"column": "email", "value_set": ["x"]}},
        {"type": "expect_column_max_to_be_between", "kwargs": {"column": "email", "max_value": "2025-01-01"}},
        {"type": "expect_column_sum_to_be_between", "kwargs": {"column": "email", "max_value": 1}},
        {"type": "unexpected_rows_expectation", "name": "rule", "kwargs": {"unexpected_rows_query": rule}},
        {"type": "unexpected_rows_expectation", "name": "cast", "kwargs": {"unexpected_rows_query": failing_cast}},
        {
            "type": "expect_column_pair_values_to_be_equal",
            "kwargs": {"column_A": "email", "column_B": "status"},
        },
        personal_columns=["email"],
        allow_empty=True,
    )
    results = {result.check: result for result in validate(suite, orders)}
    assert not any(result.passed for result in results.values())
    assert "example.com" not in str(results)
    assert results["email_in_set"].examples[0] == {"_source_file": "a.csv", "_row_number": 2, "email": "***"}
    assert results["cast"].error == "Conversion Error (its text may quote a personal value and is left out)"
