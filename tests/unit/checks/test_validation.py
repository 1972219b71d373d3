"""The results of validating one table, on DuckDB, through Great Expectations."""

import gc
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import event

from pipelines.checks import validation
from pipelines.checks.gx.relations import DuckDBTable, ParquetFiles, View, opened
from pipelines.checks.gx.runner import run_expectations
from pipelines.checks.validation import validate
from pipelines.warehouse import hold_writer_lock, reader, release_writer_lock


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


def test_a_broken_condition_is_told_with_the_columns_that_it_names(warehouse, write_suite):
    condition = {"condition": "status = 'paid' and paid_on >= ordered_on"}
    suite = write_suite({"type": "expect_rows_to_satisfy", "name": "is_paid", "kwargs": condition})
    result = validate(suite, DuckDBTable(warehouse, "raw", "orders"))[-1]
    assert result.message == (
        "is_paid: 2 of 4 rows break the rule (Because), "
        "first: a.csv row 3 (status open, ordered_on 2025-01-03, paid_on 2025-01-03)"
    )
    assert result.expected == condition["condition"]


def test_a_wrong_total_is_told_with_the_one_that_is_expected(orders, write_suite):
    check = {
        "type": "expect_total_to_equal_query",
        "name": "as_many_as_customers",
        "kwargs": {"total": "max(amount)", "where": "order_id = 1", "query": "select count(*) from raw.customers"},
    }
    *_, result = validate(write_suite(check), orders)
    assert (result.passed, result.message) == (
        False,
        "as_many_as_customers: total is 10.5 against 4, expected the result of select count(*) from raw.customers",
    )
    *_, result = validate(write_suite(check, personal_columns=["amount"]), orders)
    assert (result.passed, "10.5" in str(result), result.observed) == (False, False, "***")


def test_a_total_is_compared_even_where_no_rows_are_allowed(warehouse, write_suite):
    kwargs = {"total": "sum(amount)", "query": "select count(*) from raw.customers"}
    check = {"type": "expect_total_to_equal_query", "kwargs": kwargs}
    (result,) = validate(write_suite(check, allow_empty=True), DuckDBTable(warehouse, "raw", "nothing"))
    assert (result.passed, result.observed) == (False, "0.0 against 4")


def test_a_failed_check_names_the_delivery_days_of_all_failing_rows(warehouse, write_suite):
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(
            "create table raw.lines as select range as line_id, if(range % 2 = 0, -1, 1) as amount, "
            "date '2025-01-01' + cast(range // 4 as integer) as _delivered_on from range(40)"
        )
    rule = "select {columns} from {{batch}} where amount < 0 and line_id > 30"
    suite = write_suite(
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "amount", "min_value": 0}, "name": "rows"},
        {
            "type": "unexpected_rows_expectation",
            "name": "rule",
            "kwargs": {"unexpected_rows_query": rule.format(columns="line_id, _delivered_on")},
        },
        {
            "type": "unexpected_rows_expectation",
            "name": "rule_without_a_day",
            "kwargs": {"unexpected_rows_query": rule.format(columns="line_id")},
        },
        {
            "type": "expect_column_values_to_be_between",
            "name": "passed",
            "kwargs": {"column": "amount", "min_value": 0, "mostly": 0.5},
        },
        table="lines",
        allow_empty=True,
    )
    results = validate(suite, DuckDBTable(warehouse, "raw", "lines"))
    found = {result.check: (result.failing_days, result.message) for result in results}
    assert found["rows"][1].endswith("; delivered on 2025-01-01 to 2025-01-10")
    assert found["rule"][1].endswith("; delivered on 2025-01-09, 2025-01-10")
    assert {check: days for check, (days, _) in found.items()} == {
        "rows": tuple(f"2025-01-{day:02}" for day in range(1, 11)),
        "rule": ("2025-01-09", "2025-01-10"),
        "rule_without_a_day": (),
        "passed": (),
    }


def test_a_rule_about_deliveries_counts_deliveries(tmp_path, write_suite):
    path = tmp_path / "log.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "create table log as select date '2025-01-01' + (i // 4)::int as _delivered_on, 'f' as _source_file, "
            "i as _row_number, i < 4 as is_broken from range(8) as t(i)"
        )
    query = (
        "select _delivered_on, count(*) filter (where is_broken) as unreadable_rows from {batch} "
        "group by 1 having count(*) filter (where is_broken) > 3"
    )
    rule = {"type": "unexpected_rows_expectation", "name": "readable", "kwargs": {"unexpected_rows_query": query}}
    suite = write_suite({**rule, "why": "It is broken."}, allow_empty=True)
    (result,) = validate(suite, DuckDBTable(path, "main", "log"))
    assert result.message == (
        "readable: 1 of 2 deliveries breaks the rule (It is broken), first: _delivered_on 2025-01-01, unreadable_rows 4"
    )
    assert (result.unexpected_count, result.element_count) == (None, None)


def test_only_columns_that_differ_are_named(orders, write_suite):
    kwargs = {"column_set": ["_source_file", "_row_number", "order_id", "gone"], "exact_match": True}
    suite = write_suite({"type": "expect_table_columns_to_match_set", "kwargs": kwargs}, allow_empty=True)
    (result,) = validate(suite, orders)
    new = [column for column in result.message.split(", column", 1)[1].split() if column not in ("are", "new")]
    assert result.message.startswith("table: column gone is missing, columns ")
    assert "order_id" not in result.message
    assert new


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


def test_a_result_that_cannot_be_told_fails_its_own_check_only(orders, write_suite, expect_not_null, monkeypatch):
    told = validation._outcome_result

    def speechless(suite, spec, *rest):
        if spec.name == "code_not_null":
            raise KeyError("no words")
        return told(suite, spec, *rest)

    monkeypatch.setattr(validation, "_outcome_result", speechless)
    results = validate(write_suite(expect_not_null("code"), expect_not_null("_source_file")), orders)
    assert [result.passed for result in results] == [True, False, True]
    assert "no words" in results[1].message


def test_times_are_universal_wherever_the_checks_run(tmp_path, write_suite):
    """A date that depended on the machine's time zone would be fresh on one machine and stale on another."""
    duckdb.sql(
        "select timestamptz '2025-01-01 23:30:00+00' as changed_at, date '2025-01-02' as _delivered_on"
    ).to_parquet(str(tmp_path / "rows.parquet"))
    kwargs = {"column": "changed_at", "relative_to": "_delivered_on", "max_age_days": 1}
    suite = write_suite({"type": "expect_column_newest_value_to_be_recent", "kwargs": kwargs}, allow_empty=True)
    (result,) = validate(suite, ParquetFiles((tmp_path / "rows.parquet",)))
    assert result.observed == "2025-01-01 23:30:00, 1 day before _delivered_on 2025-01-02"


def test_freshness_is_told_in_words(orders, write_suite):
    """Hours count from the end of a date, and days from date to date."""
    kind = "expect_column_newest_value_to_be_recent"
    suite = write_suite(
        {"type": kind, "name": "days", "kwargs": {"column": "paid_on", "relative_to": "ordered_on", "max_age_days": 0}},
        {
            "type": kind,
            "name": "hours",
            "kwargs": {"column": "paid_on", "relative_to": "ordered_on", "max_age_hours": 48},
        },
        {
            "type": kind,
            "name": "ahead",
            "kwargs": {"column": "ordered_on", "relative_to": "paid_on", "max_age_days": 0},
        },
        {"type": kind, "name": "never", "kwargs": {"column": "code", "relative_to": "paid_on", "max_age_days": 0}},
        {"type": kind, "name": "nothing", "kwargs": {"column": "paid_on", "relative_to": "code", "max_age_days": 0}},
    )
    found = {result.check: (result.passed, result.message) for result in validate(suite, orders)}
    assert found["days"] == (
        False,
        "paid_on: newest value is 2025-01-04, 1 day before ordered_on 2025-01-05, "
        "expected at most 0 days before ordered_on",
    )
    assert found["hours"] == (True, "paid_on: newest value is 2025-01-04, 48.0 hours before ordered_on 2025-01-05")
    assert found["ahead"] == (True, "ordered_on: newest value is 2025-01-05, 1 day after paid_on 2025-01-04")
    assert found["never"][1].startswith("code: newest value is unknown, there is no value, expected")
    assert found["nothing"][1].startswith("paid_on: newest value is 2025-01-04, but code has no value, expected")


def test_gaps_and_falls_are_told_with_what_lies_beside_them(orders, write_suite):
    suite = write_suite(
        {"type": "expect_column_dates_to_have_no_gaps", "kwargs": {"column": "ordered_on"}},
        {
            "type": "expect_column_values_to_increase",
            "kwargs": {"column": "order_id", "order_by": ["amount"], "strictly": True},
        },
    )
    gaps, falls = validate(suite, orders)[1:]
    assert gaps.message == (
        "ordered_on: 2 of 4 rows are followed by a gap, first: ordered_on 2025-01-01, next_value 2025-01-03"
    )
    assert falls.message == (
        "order_id: 1 of 4 rows is not more than the one before, first: order_id 2, amount 30.0, previous_value 2"
    )


def test_what_does_not_fit_into_memory_does_not_go_into_the_current_folder(orders, tmp_path):
    def spills_to(relation):
        with opened(relation) as batch:
            [setting] = batch.rows("select current_setting('temp_directory') as folder")
            return Path(setting["folder"]), Path(setting["folder"]).exists()

    beside, _ = spills_to(orders)
    assert (beside.parent, beside.exists()) == (orders.path.parent, False)
    duckdb.sql("select 1 as order_id").write_parquet(str(tmp_path / "orders.parquet"))
    folder, existed = spills_to(ParquetFiles((tmp_path / "orders.parquet",)))
    assert (existed, folder.exists()) == (True, False)
    assert folder.is_absolute()


def test_one_check_after_another_sees_the_file_that_is_attached_now(orders, tmp_path):
    """A process that writes the warehouse keeps it open; the file that is attached to it is another one each time."""
    hold_writer_lock(orders.path, "a test", print, None)
    try:
        for value in (1, 2):
            target, published = tmp_path / f"{value}.duckdb", tmp_path / "kpi.duckdb"
            with duckdb.connect(str(target)) as connection:
                connection.execute(f"create table numbers as select {value} as value")
            published.unlink(missing_ok=True)
            published.symlink_to(target)  # as a publication is replaced
            view = View("days_off", "select value from published.numbers", (("published", published),))
            with reader(orders.path), opened(replace(orders, views=(view,))) as batch:
                assert batch.rows("from days_off") == [{"value": value}]
                assert batch.row_count == 4
    finally:
        release_writer_lock(orders.path)
    with duckdb.connect(str(orders.path)) as writer:
        writer.execute("drop table raw.nothing")


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


ENDLESS = (
    "with recursive numbers as (select 1 as number union all select number + 1 from numbers) "
    "select numbers.* from numbers, {batch} where number < 0"
)


def can_be_written_elsewhere(path: Path) -> bool:
    """Whether another process can open the file for writing, as dbt does after the checks."""
    code = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute('create or replace table after_it as select 1')"
    return subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    "query",
    [
        "select * from {batch}, range(100000)",
        "select no_such_column from {batch}",
        "select * from {batch} limit 0",
        ENDLESS,
    ],
)
def test_the_file_can_be_written_right_after(warehouse: Path, write_suite, query):
    kwargs = {"unexpected_rows_query": query}
    suite = write_suite({"type": "unexpected_rows_expectation", "kwargs": kwargs})
    validate(suite, DuckDBTable(warehouse, "raw", "orders"), timeout_seconds=0.2)
    assert can_be_written_elsewhere(warehouse)


@pytest.mark.parametrize("place", ["Batch.validate", "DuckDBTable"])
def test_the_file_can_be_written_after_anything_raised(warehouse: Path, orders, write_suite, monkeypatch, place):
    from great_expectations.datasource.fluent.interfaces import Batch

    def broken(*args, **kwargs):
        raise RuntimeError("out of order")

    if place == "Batch.validate":
        monkeypatch.setattr(Batch, "validate", broken)
    suite = write_suite(table="orders")
    table = orders if place == "Batch.validate" else DuckDBTable(warehouse, "raw", "absent")
    assert not any(result.passed for result in validate(suite, table))
    assert can_be_written_elsewhere(warehouse)


def test_a_file_that_is_held_would_be_noticed(warehouse: Path, orders):
    with opened(orders):
        assert not can_be_written_elsewhere(warehouse)
    assert can_be_written_elsewhere(warehouse)


def test_a_statement_that_does_not_end_fails_its_own_check_only(orders, write_suite, expect_not_null):
    suite = write_suite(
        {"type": "unexpected_rows_expectation", "name": "endless", "kwargs": {"unexpected_rows_query": ENDLESS}},
        expect_not_null("_source_file"),
        personal_columns=["email"],
    )
    found = {result.check: result for result in validate(suite, orders, timeout_seconds=0.2)}
    assert found["_source_file_not_null"].passed
    assert not found["endless"].passed
    assert found["endless"].message == "endless: not checked, stopped because it took longer than 0.2 seconds"


def test_a_table_that_cannot_be_counted_in_time_fails_every_check(warehouse, write_suite):
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(f"create view raw.endless as {ENDLESS.format(batch='raw.customers')}")
    results = validate(write_suite(table="endless"), DuckDBTable(warehouse, "raw", "endless"), timeout_seconds=0.2)
    assert [result.error for result in results] == ["stopped because it took longer than 0.2 seconds"]
    assert can_be_written_elsewhere(warehouse)


def test_ten_expectations_are_a_handful_of_statements(orders, write_suite, expect_not_null):
    """Whatever can be counted together needs one scan. Nothing runs twice, and no failing values are fetched."""
    suite = write_suite(
        *(expect_not_null(column) for column in ("order_id", "status", "amount", "code", "paid_on")),
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "amount", "min_value": 0}},
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "status", "value_set": ["paid"]}},
        {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "code", "regex": "^a"}},
        {"type": "expect_column_values_to_be_finite", "kwargs": {"column": "amount"}},
        {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "order_id"}},
        {"type": "expect_column_sum_to_be_between", "kwargs": {"column": "status", "min_value": 0}},
    )
    statements: list[str] = []
    with opened(orders) as batch:
        event.listen(batch.engine, "before_cursor_execute", lambda *call: statements.append(f"{call[2]} {call[3]}"))
        run_expectations(batch.engine, suite.checks)
    assert len(statements) == len(set(statements))
    counting_rows = [statement for statement in statements if "unexpected_count" in statement]
    assert len([statement for statement in counting_rows if statement.count("unexpected_count") > 5]) == 1
    assert len(statements) <= 8


def test_a_failing_metric_does_not_repeat_the_others(orders, write_suite):
    """Great Expectations tries a failing metric three times, and everything computed with it each time."""
    suite = write_suite(
        *(
            {
                "type": "unexpected_rows_expectation",
                "name": f"rule_{number}",
                "kwargs": {"unexpected_rows_query": f"select * from {{batch}} where {condition}"},
            }
            for number, condition in enumerate(["amount < 0", "nonsense", "amount < 1", "cast(email as int) = 1"])
        )
    )
    statements: list[str] = []
    with opened(orders) as batch:
        event.listen(batch.engine, "before_cursor_execute", lambda *call: statements.append(f"{call[2]} {call[3]}"))
        outcomes = run_expectations(batch.engine, suite.checks)
    assert [bool(outcome.error) for outcome in outcomes.values()] == [False, False, True, False, True]
    assert len(statements) == len(set(statements))


def test_validating_leaves_the_file_as_it_was(warehouse, orders, write_suite, expect_not_null):
    before = warehouse.read_bytes()
    validate(write_suite(expect_not_null("order_id")), orders)
    assert warehouse.read_bytes() == before


def test_nothing_is_printed(orders, write_suite, expect_not_null, capfd):
    validate(write_suite(expect_not_null("order_id")), orders)
    assert capfd.readouterr() == ("", "")


def test_no_result_shows_a_value_of_a_personal_column(orders, write_suite):
    rule = "select email as innocent, _source_file from {batch} where email is not null"
    failing_cast = "select * from {batch} where cast(email as integer) > 0"
    suite = write_suite(
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "email", "value_set": ["x"]}},
        {"type": "expect_column_value_lengths_to_equal", "kwargs": {"column": "email", "value": 1}},
        {"type": "expect_column_distinct_values_to_be_in_set", "kwargs": {"column": "email", "value_set": ["x"]}},
        {"type": "expect_column_max_to_be_between", "kwargs": {"column": "email", "max_value": "2025-01-01"}},
        {"type": "expect_column_sum_to_be_between", "kwargs": {"column": "email", "max_value": 1}},
        {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "email", "regex": "^x"}},
        {
            "type": "expect_column_values_to_increase",
            "kwargs": {"column": "email", "order_by": ["status"]},
            "name": "up",
        },
        {
            "type": "expect_column_newest_value_to_be_recent",
            "kwargs": {"column": "email", "relative_to": "paid_on", "max_age_days": 0},
        },
        {
            "type": "expect_column_newest_value_to_be_recent",
            "name": "reference",
            "kwargs": {"column": "paid_on", "relative_to": "email", "max_age_days": 0},
        },
        {
            "type": "expect_column_quantile_values_to_be_between",
            "kwargs": {"column": "email", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[0, 1]]}},
        },
        {"type": "unexpected_rows_expectation", "name": "rule", "kwargs": {"unexpected_rows_query": rule}},
        {"type": "unexpected_rows_expectation", "name": "cast", "kwargs": {"unexpected_rows_query": failing_cast}},
        {"type": "expect_column_pair_values_to_be_equal", "kwargs": {"column_A": "email", "column_B": "status"}},
        personal_columns=["email"],
        allow_empty=True,
    )
    results = {result.check: result for result in validate(suite, orders)}
    assert not any(result.passed for result in results.values())
    assert "example.com" not in str(results)
    assert results["email_in_set"].examples[0] == {"_source_file": "a.csv", "_row_number": 2, "email": "***"}
    assert results["cast"].error == "Conversion Error (its text is left out because it may contain a personal value)"
