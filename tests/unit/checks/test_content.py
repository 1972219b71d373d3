"""Checks are repeated if something that they read has changed, and not otherwise."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from pipelines.checks.content import content_of, validate_if_changed
from pipelines.checks.gx.relations import DuckDBTable, View
from pipelines.checks.history import CheckHistory
from pipelines.checks.results import CheckResult
from pipelines.checks.suites import Suite

VERSIONS: dict[tuple[str, str], str | None] = {("raw", "orders"): "1", ("raw", "customers"): "1", ("raw", "lost"): None}
OF_CUSTOMERS = {
    "type": "unexpected_rows_expectation",
    "name": "customer_is_known",
    "kwargs": {
        "unexpected_rows_query": "select * from {batch} where order_id not in (select customer_id from raw.customers)"
    },
}


def asking(sql: str) -> dict[str, object]:
    query = "select * from {batch} where " + sql
    return {"type": "unexpected_rows_expectation", "name": "rule", "kwargs": {"unexpected_rows_query": query}}


@pytest.fixture
def history(tmp_path: Path) -> CheckHistory:
    return CheckHistory(tmp_path / "checks.sqlite")


def test_another_table_suite_or_day_left_out_is_another_content(
    orders: DuckDBTable, write_suite: Callable[..., Suite], expect_not_null: Callable[..., dict[str, object]]
) -> None:
    suite = write_suite(expect_not_null("status"))
    same = content_of(suite, orders, VERSIONS)
    assert same is not None
    assert content_of(suite, orders, VERSIONS | {("raw", "customers"): "2", ("raw", "lost"): "2"}) == same
    others = {
        content_of(suite, orders, VERSIONS | {("raw", "orders"): "2"}),
        content_of(write_suite(expect_not_null("status", severity="warning")), orders, VERSIONS),
        content_of(suite, replace(orders, without_days=(date(2026, 1, 9),)), VERSIONS),
        content_of(suite, replace(orders, views=(View("days_off", "select 1 as day"),)), VERSIONS),
    }
    assert len(others - {same, None}) == 4


def test_a_table_that_a_rule_names_is_read_too(orders: DuckDBTable, write_suite: Callable[..., Suite]) -> None:
    suite = write_suite(OF_CUSTOMERS)
    found = [content_of(suite, orders, VERSIONS | {("raw", "customers"): version}) for version in ("1", "2", None)]
    assert found[0] != found[1]
    assert found[2] is None


def test_a_file_beside_the_table_is_read_too(
    orders: DuckDBTable, write_suite: Callable[..., Suite], tmp_path: Path
) -> None:
    suite, published = write_suite(), tmp_path / "kpi.duckdb"
    beside = replace(orders, views=(View("published_months", "from published.marts.s", (("published", published),)),))
    found = set()
    for content in (b"one", b"another"):
        aside = tmp_path / "aside"
        aside.write_bytes(content)
        aside.replace(published)
        found.add(content_of(suite, beside, VERSIONS))
    assert len(found - {None}) == 2


@pytest.mark.parametrize(
    "condition", ["ordered_on > current_date", "random() > 2", "code in (from 'codes.csv')", "status = getenv('S')"]
)
def test_what_a_rule_that_asks_for_time_or_chance_or_files_will_find_nobody_knows(
    orders: DuckDBTable, write_suite: Callable[..., Suite], condition: str
) -> None:
    assert content_of(write_suite(asking(condition)), orders, VERSIONS) is None
    assert content_of(write_suite(asking("order_id < 0")), orders, VERSIONS) is not None


def test_without_a_version_nobody_knows(orders: DuckDBTable, write_suite: Callable[..., Suite]) -> None:
    assert content_of(write_suite(), orders, {}) is None


def checked_twice(
    suite: Suite, table: DuckDBTable, history: CheckHistory, content: str | None = "1"
) -> list[list[CheckResult]]:
    """The results of two runs, the second of which can no longer read the table."""
    first = validate_if_changed(suite, table, content, history, "run 1")
    table.path.unlink()
    return [first, validate_if_changed(suite, table, content, history, "run 2")]


def test_results_stand_while_nothing_has_changed_and_name_the_run_that_found_them(
    orders: DuckDBTable, write_suite: Callable[..., Suite], expect_not_null: Callable[..., dict[str, object]],
    history: CheckHistory,
) -> None:  # fmt: skip
    suite = write_suite(expect_not_null("status", severity="warning"))
    first, second = checked_twice(suite, orders, history)
    assert [(result.passed, result.checked_in_run) for result in first] == [(True, None), (False, None)]
    assert second == [replace(result, checked_in_run="run 1") for result in first]
    assert second[1].examples == [{"_source_file": "b.csv", "_row_number": 3, "status": None}] != []
    history.record("run 2", None, "2026-01-10T10:00:00+00:00", second)
    assert history.results("run 2") == second
    assert set(history.frame()["checked_in_run"]) == {"run 1"}


@pytest.mark.parametrize("content", [None, "1"])
def test_a_critical_failure_and_a_check_without_known_content_are_made_anew(
    orders: DuckDBTable, write_suite: Callable[..., Suite], expect_not_null: Callable[..., dict[str, object]],
    history: CheckHistory, content: str | None,
) -> None:  # fmt: skip
    severity = "critical" if content else "warning"
    _, second = checked_twice(write_suite(expect_not_null("status", severity=severity)), orders, history, content)
    assert all(result.error for result in second)


def test_a_check_that_could_not_be_made_is_made_by_the_next_run(
    warehouse: Path, write_suite: Callable[..., Suite], history: CheckHistory
) -> None:
    suite = write_suite(table="visits", allow_empty=True)
    suite = suite.model_copy(update={"expectations": write_suite(asking("visit_id < 0")).expectations})
    visits = DuckDBTable(warehouse, "raw", "visits")
    [failed] = validate_if_changed(suite, visits, "1", history, "run 1")
    assert failed.error
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create table raw.visits as select 1 as visit_id")
    [made] = validate_if_changed(suite, visits, "1", history, "run 2")
    assert (made.passed, made.error, made.checked_in_run) == (True, None, None)


def test_another_content_replaces_what_was_kept(
    orders: DuckDBTable, write_suite: Callable[..., Suite], history: CheckHistory
) -> None:
    suite = write_suite()
    for content, run in (("1", "run 1"), ("2", "run 2"), ("1", "run 3")):
        [result] = validate_if_changed(suite, orders, content, history, run)
        assert result.checked_in_run is None
    assert history.kept(suite, "2") is None
    assert [result.checked_in_run for result in history.kept(suite, "1") or []] == ["run 3"]
