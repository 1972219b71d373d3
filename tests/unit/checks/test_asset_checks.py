"""Suites as Dagster asset checks, run as the pipeline runs them: in a job, in this process."""

import sqlite3
from pathlib import Path
from urllib.parse import unquote

import dagster as dg
import duckdb
import pytest

from pipelines.checks.asset_checks import asset_checks
from pipelines.checks.data_docs.build import build_data_docs
from pipelines.checks.gx.relations import ParquetFiles
from pipelines.checks.history import CheckHistory

ORDERS = dg.AssetKey(["raw", "orders"])
DAYS = dg.DailyPartitionsDefinition("2025-01-01")


@pytest.fixture
def history(tmp_path):
    return CheckHistory(tmp_path / "checks.sqlite")


def run(checks: dg.AssetChecksDefinition, partitions_def=None, **arguments) -> dg.ExecuteInProcessResult:
    @dg.asset(key=ORDERS, partitions_def=partitions_def)
    def orders() -> None: ...

    @dg.asset(deps=[ORDERS])
    def revenue() -> None: ...

    definitions = dg.Definitions(
        assets=[orders] if partitions_def else [orders, revenue],
        asset_checks=[checks],
        jobs=[dg.define_asset_job("job")],
    )
    with dg.DagsterInstance.ephemeral() as instance:
        return definitions.resolve_job_def("job").execute_in_process(
            instance=instance, raise_on_error=False, **arguments
        )


def evaluations(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {item.check_name: item for item in result.get_asset_check_evaluations()}


def built(result: dg.ExecuteInProcessResult) -> set[str]:
    return {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}


def test_a_failed_critical_check_stops_what_comes_after_and_fails_the_run(
    orders, write_suite, expect_not_null, history
):
    result = run(asset_checks(write_suite(expect_not_null("order_id")), ORDERS, lambda _: orders, history=history))
    assert not result.success
    assert built(result) == {"raw/orders"}
    failed = evaluations(result)["order_id_not_null"]
    assert (failed.passed, failed.severity, failed.blocking) == (False, dg.AssetCheckSeverity.ERROR, True)
    assert failed.description == "order_id: 1 of 4 rows is empty, first: b.csv row 3"


@pytest.mark.parametrize("severity", ["warning", "info"])
def test_a_failed_check_that_is_not_critical_lets_the_run_go_on(
    orders, write_suite, expect_not_null, history, severity
):
    suite = write_suite(expect_not_null("order_id", severity=severity))
    result = run(asset_checks(suite, ORDERS, lambda _: orders, history=history))
    assert result.success
    assert built(result) == {"raw/orders", "revenue"}
    failed = evaluations(result)["order_id_not_null"]
    assert (failed.passed, failed.severity, failed.blocking) == (False, dg.AssetCheckSeverity.WARN, False)
    assert failed.metadata["severity"].value == severity


def test_results_are_recorded_under_the_run(orders, write_suite, expect_not_null, history):
    suite = write_suite(expect_not_null("order_id"))
    result = run(asset_checks(suite, ORDERS, lambda _: orders, history=history))
    assert {item.check: item.passed for item in history.results(result.run_id)} == {
        "not_empty": True,
        "order_id_not_null": False,
    }


def test_the_metadata_shows_failing_rows_as_they_are(orders, write_suite, history):
    suite = write_suite(
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "status", "value_set": ["lost"]}},
        runbook="docs/runbook.md",
    )
    checks = asset_checks(suite, ORDERS, lambda _: orders, history=history)
    metadata = evaluations(run(checks))["status_in_set"].metadata
    assert metadata["examples"].value.splitlines() == [
        r"| \_source\_file | \_row\_number | status |",
        "| --- | --- | --- |",
        "| a.csv | 2 | paid |",
        "| a.csv | 3 | open |",
        "| b.csv | 2 | open |",
    ]
    assert (metadata["failed rows"].value, metadata["rows"].value) == (3, 4)
    (spec,) = (spec for spec in checks.check_specs if spec.name == "status_in_set")
    assert spec.description == "Because. Expected: one of lost."
    assert spec.metadata["runbook"] == "docs/runbook.md"


def test_the_metadata_links_to_the_page_and_names_the_next_step(
    orders, write_suite, expect_not_null, history, tmp_path
):
    suite = write_suite(
        expect_not_null("order_id", next_step="kpi quarantine list --source shop"),
        expect_not_null("_source_file", next_step="never shown"),
    )
    checks = asset_checks(
        suite, ORDERS, lambda _: orders, history=history, docs_folder=tmp_path, docs_url="http://127.0.0.1:3001"
    )
    found = evaluations(run(checks))
    build_data_docs(tmp_path)
    assert found["order_id_not_null"].metadata["next step"].value == "kpi quarantine list --source shop"
    assert "next step" not in found["_source_file_not_null"].metadata
    for evaluation in found.values():
        link = evaluation.metadata["data docs"].url
        assert (tmp_path / "site" / unquote(link.removeprefix("http://127.0.0.1:3001/"))).exists()


def test_a_table_that_cannot_be_located_fails_every_check(write_suite, expect_not_null, history):
    def lost(_):
        raise LookupError("no such delivery")

    result = run(asset_checks(write_suite(expect_not_null("order_id")), ORDERS, lost, history=history))
    assert [item.passed for item in evaluations(result).values()] == [False, False]
    assert all("LookupError: no such delivery" in item.description for item in evaluations(result).values())
    assert len(history.results(result.run_id)) == 2


def test_a_result_that_cannot_be_recorded_is_a_failed_check(orders, write_suite, tmp_path):
    broken = tmp_path / "checks.sqlite"
    broken.write_text("this is not a database, it only says so on its label")
    result = run(asset_checks(write_suite(), ORDERS, lambda _: orders, history=CheckHistory(broken)))
    assert not result.success
    assert "could not be recorded in checks.sqlite" in evaluations(result)["not_empty"].description


def test_a_page_that_cannot_be_stored_does_not_fail_a_check(orders, write_suite, history, tmp_path):
    (tmp_path / "docs").write_text("a file where a folder should be")
    checks = asset_checks(write_suite(), ORDERS, lambda _: orders, history=history, docs_folder=tmp_path / "docs")
    assert run(checks).success


def parquet_of(folder: Path):
    def relation(context: dg.AssetCheckExecutionContext) -> ParquetFiles:
        return ParquetFiles(tuple(folder / f"{day}.parquet" for day in context.partition_keys))

    return relation


@pytest.fixture
def days(tmp_path: Path) -> Path:
    folder = tmp_path / "days"
    folder.mkdir()
    for number, day in enumerate(["2025-01-01", "2025-01-02", "2025-01-03"]):
        duckdb.sql(f"select {number} as order_id").to_parquet(str(folder / f"{day}.parquet"))
    return folder


@pytest.mark.parametrize("partitions_def", [DAYS, None])
def test_a_partitioned_asset_is_checked_for_the_day_of_the_run(days, write_suite, history, partitions_def):
    suite = write_suite({"type": "expect_table_row_count_to_equal", "kwargs": {"value": 1}})
    checks = asset_checks(suite, ORDERS, parquet_of(days), history=history, partitions_def=partitions_def)
    result = run(checks, DAYS, partition_key="2025-01-02")
    assert result.success
    assert set(history.frame()["delivered_on"]) == {"2025-01-02"}


@pytest.mark.parametrize("partitions_def", [DAYS, None])
def test_a_range_of_days_in_one_run_is_checked_as_one_table(days, write_suite, history, partitions_def):
    suite = write_suite({"type": "expect_table_row_count_to_equal", "kwargs": {"value": 3}})
    checks = asset_checks(suite, ORDERS, parquet_of(days), history=history, partitions_def=partitions_def)
    tags = {"dagster/asset_partition_range_start": "2025-01-01", "dagster/asset_partition_range_end": "2025-01-03"}
    result = run(checks, DAYS, tags=tags)
    assert result.success
    assert len(evaluations(result)) == 2
    assert history.frame()["delivered_on"].isna().all()


def test_a_personal_value_gets_nowhere(orders, write_suite, history, tmp_path):
    suite = write_suite(
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "email", "value_set": ["x"]}},
        {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "email"}},
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "order_id", "max_value": 1}},
        {
            "type": "unexpected_rows_expectation",
            "name": "cast",
            "kwargs": {"unexpected_rows_query": "select cast(email as integer) as n from {batch}"},
        },
        personal_columns=["email"],
    )
    docs = tmp_path / "docs"
    result = run(asset_checks(suite, ORDERS, lambda _: orders, history=history, docs_folder=docs))
    build_data_docs(docs)
    with sqlite3.connect(history.path) as connection:
        remembered = "\n".join(connection.iterdump())
    connection.close()
    written = "".join(path.read_text() for path in docs.rglob("*") if path.suffix in (".json", ".html"))
    events = "\n".join(str(event) for event in result.all_events)
    assert "***" in remembered
    assert "raw.orders" in written
    assert "order_id" in events
    for text in (remembered, written, events):
        assert "example.com" not in text
