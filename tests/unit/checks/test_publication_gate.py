"""Nothing is published unless every blocking check of the same run has passed, whatever happens to the checks."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

import dagster as dg
import duckdb
import pytest

from pipelines.checks import asset_checks as checking
from pipelines.checks.asset_checks import asset_checks
from pipelines.checks.gx.relations import DuckDBTable
from pipelines.checks.history import CheckHistory
from pipelines.checks.suites import Suite
from pipelines.publish import assets as publishing
from pipelines.publish.assets import PUBLISHED_KEY, published_asset
from pipelines.settings import load_settings

ORDERS = dg.AssetKey(["marts", "orders"])
TEST = dg.AssetCheckKey(ORDERS, "as_dbt_would")
SUITE = Suite.model_validate(
    {
        "stage": "marts",
        "name": "orders",
        "path": Path("marts/orders.yml"),
        "owner": "o",
        "description": "d",
        "expectations": [
            {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "order_id"}, "why": "w"},
            {
                "type": "expect_column_values_to_not_be_null",
                "kwargs": {"column": "note"},
                "why": "w",
                "severity": "warning",
            },
        ],
    }
)
BLOCKING = [("marts", "orders", spec.name) for spec in SUITE.checks if spec.severity == "critical"]


def definitions(folder: Path, order: str = "1", test: str = "pass") -> dg.Definitions:
    """A mart with one order, its checks, a check like that of a dbt test, and the publication after them."""
    history = CheckHistory(folder / "checks.sqlite")

    # One step for the table and its test. Either can be left out, as in dbt's steps.
    @dg.multi_asset(
        specs=[dg.AssetSpec(ORDERS)],
        check_specs=[dg.AssetCheckSpec(TEST.name, asset=ORDERS, blocking=True)],
        can_subset=True,
    )
    def orders(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
            connection.execute("create schema if not exists marts")
            connection.execute(f"create or replace table marts.orders as select {order} as order_id, null as note")
        yield dg.MaterializeResult(asset_key=ORDERS)
        if TEST in context.selected_asset_check_keys:
            yield dg.AssetCheckResult(passed=test == "pass", check_name=TEST.name, asset_key=ORDERS)

    table = DuckDBTable(folder / "warehouse.duckdb", "marts", "orders")
    checks = asset_checks(SUITE, ORDERS, lambda _: table, history=history)
    published = published_asset(load_settings(), [], ["orders"], BLOCKING, history, [TEST])
    everything = dg.AssetSelection.all()
    return dg.Definitions(
        assets=[orders, published],
        asset_checks=[checks],
        jobs=[
            dg.define_asset_job("everything", everything),
            dg.define_asset_job("without_checks", everything.without_checks()),
            dg.define_asset_job("without_test", everything - dg.AssetSelection.checks(TEST)),
            dg.define_asset_job("publication_alone", dg.AssetSelection.assets(PUBLISHED_KEY)),
        ],
        executor=dg.in_process_executor,
    )


@pytest.fixture
def publications(monkeypatch) -> list[str]:
    """The runs that published."""
    made: list[str] = []

    def publish(publication, *_, **__):
        made.append(publication.run_id)
        return {}

    monkeypatch.setattr(publishing, "publish", publish)
    monkeypatch.setattr(publishing, "built_as_of", lambda _: date(2025, 1, 31))
    return made


def run(definitions: dg.Definitions, job: str = "everything") -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        return definitions.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False)


def said(result: dg.ExecuteInProcessResult) -> str:
    """The message of the publication step when it refused; empty if it did not even run."""
    failures = [
        event.step_failure_data.user_failure_data.description
        for event in result.all_events
        if event.is_step_failure and event.step_key == "published__kpi"
    ]
    return "\n".join(filter(None, failures))


def test_what_passes_is_published_though_a_warning_fails(tmp_path, publications):
    result = run(definitions(tmp_path))
    assert result.success
    assert publications == [result.run_id]
    assert [item.check_name for item in result.get_asset_check_evaluations() if not item.passed] == ["note_not_null"]


def test_a_failed_check_keeps_a_publication_back(tmp_path, publications):
    assert not run(definitions(tmp_path, order="null")).success
    assert publications == []


def test_a_failed_test_of_dbt_keeps_a_publication_back(tmp_path, publications):
    assert not run(definitions(tmp_path, test="fail")).success
    assert publications == []


def test_checks_that_raise_keep_a_publication_back(tmp_path, publications, monkeypatch):
    def raising(*_):
        raise RuntimeError("out of order")

    monkeypatch.setattr(checking, "_checked_and_recorded", raising)
    assert not run(definitions(tmp_path)).success
    assert publications == []


def test_checks_that_yield_nothing_keep_a_publication_back(tmp_path, publications, monkeypatch):
    monkeypatch.setattr(checking, "_checked_and_recorded", lambda *_: [])
    assert not run(definitions(tmp_path)).success
    assert publications == []


def test_checks_that_pass_without_a_record_keep_a_publication_back(tmp_path, publications, monkeypatch):
    monkeypatch.setattr(CheckHistory, "record", lambda *_: None)
    result = run(definitions(tmp_path))
    assert not result.success
    assert publications == []
    assert "marts/orders order_id_not_null: has no result in run" in said(result)


def test_a_record_that_fails_keeps_a_publication_back(tmp_path, publications, monkeypatch):
    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(CheckHistory, "record", full)
    assert not run(definitions(tmp_path)).success
    assert publications == []


def test_a_record_that_cannot_be_read_keeps_a_publication_back(tmp_path, publications, monkeypatch):
    def unreadable(*_):
        raise sqlite3.DatabaseError("database disk image is malformed")

    monkeypatch.setattr(CheckHistory, "results", unreadable)
    assert not run(definitions(tmp_path)).success
    assert publications == []


def test_checks_that_were_deselected_keep_a_publication_back(tmp_path, publications):
    result = run(definitions(tmp_path), "without_checks")
    assert not result.success
    assert publications == []
    assert "order_id_not_null: has no result" in said(result)
    assert "as_dbt_would: did not run" in said(result)


def test_a_test_of_dbt_that_was_deselected_keeps_a_publication_back(tmp_path, publications):
    result = run(definitions(tmp_path), "without_test")
    assert not result.success
    assert publications == []
    assert said(result).endswith(f"marts/orders as_dbt_would: did not run in run {result.run_id}.")


def test_a_publication_alone_is_kept_back_though_everything_passed_before(tmp_path, publications):
    everything = run(definitions(tmp_path))
    alone = run(definitions(tmp_path), "publication_alone")
    assert not alone.success
    assert publications == [everything.run_id]
    assert said(alone).count("in run " + alone.run_id) == len(BLOCKING) + 1


def test_a_run_whose_process_is_killed_publishes_nothing_then_or_later(tmp_path, publications):
    """It is killed after all passed checks have been recorded: the records of another run prove nothing."""
    killed = subprocess.run([sys.executable, __file__, str(tmp_path)], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert CheckHistory(tmp_path / "checks.sqlite").frame()["passed"].tolist() == [True, True, False]
    assert not (tmp_path / "published").exists()
    assert not run(definitions(tmp_path), "publication_alone").success
    assert publications == []


def run_and_be_killed(folder: Path) -> None:
    """Run the job in a process that ends as soon as its checks are recorded."""
    record = CheckHistory.record

    def record_and_end(*arguments: Any) -> None:
        record(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    def publish(*_: Any, **__: Any) -> None:
        (folder / "published").write_text("published")

    with mock.patch.object(CheckHistory, "record", record_and_end), mock.patch.object(publishing, "publish", publish):
        run(definitions(folder))


if __name__ == "__main__":
    run_and_be_killed(Path(sys.argv[1]))
