"""A run's report: what failed, what could therefore not be built, and nothing twice."""

import errno
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import duckdb
import pytest

from pipelines.alerts.reports import Finding, Report
from pipelines.alerts.run_report import report_of_run
from pipelines.alerts.sensors import notify_of_runs
from pipelines.alerts.service import AlertService
from pipelines.checks.asset_checks import asset_checks
from pipelines.checks.gx.relations import DuckDBTable
from pipelines.checks.history import CheckHistory
from pipelines.checks.suites import Suite
from pipelines.ingest.assets import raw_assets
from pipelines.settings import PROJECT_DIR, Settings
from pipelines.sources import Source
from pipelines.transform.failures import failure_of

DAY = "2026-01-08"
DAYS = dg.DailyPartitionsDefinition(start_date="2026-01-01")
SUITE = Suite.model_validate(
    {
        "stage": "staging",
        "name": "stg_shop__orders",
        "path": PROJECT_DIR / "orders.yml",
        "owner": "team:commerce",
        "runbook": "docs/operations.md#keys-and-duplicates",
        "description": "Orders.",
        "personal_columns": ["email"],
        "expectations": [
            {
                "type": "expect_column_values_to_be_unique",
                "kwargs": {"column": "order_id"},
                "why": "A key that occurs twice counts twice.",
            },
            {
                "type": "expect_column_values_to_not_be_null",
                "severity": "warning",
                "kwargs": {"column": "email"},
                "why": "Nobody can be asked.",
            },
        ],
    }
)
SUITES = {(SUITE.stage, SUITE.name): SUITE}


def run(
    settings: Settings,
    instance: dg.DagsterInstance,
    rows: list[tuple[int, str | None]],
    error: Exception | None = None,
    parent: str | None = None,
) -> Report:
    """The report of a run that builds orders, checks them, and builds a mart from them."""

    @dg.asset(key=["staging", "stg_shop__orders"], partitions_def=DAYS)
    def orders() -> None:
        if error:
            raise error
        with duckdb.connect(str(settings.warehouse_path)) as connection:
            connection.execute("create schema if not exists staging")
            connection.execute("create or replace table staging.stg_shop__orders (order_id integer, email varchar)")
            connection.executemany("insert into staging.stg_shop__orders values (?, ?)", rows)

    @dg.asset(key=["marts", "kpi_revenue__daily"], deps=[orders], partitions_def=DAYS)
    def revenue() -> None: ...

    table = DuckDBTable(settings.warehouse_path, "staging", "stg_shop__orders")
    key = dg.AssetKey(["staging", "stg_shop__orders"])
    history = CheckHistory(settings.check_history_path)
    result = dg.materialize(
        [orders, revenue, asset_checks(SUITE, key, lambda _: table, history=history)],
        instance=instance,
        partition_key=DAY,
        raise_on_error=False,
        tags={"dagster/parent_run_id": parent} if parent else None,
    )
    return report_of_run(instance, result.run_id, SUITES, settings)


def failed(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if not finding.passed]


def test_a_result_that_could_not_be_recorded_is_a_finding_of_the_same_check(
    settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(CheckHistory, "record", fail)
        report = run(settings, instance, [(1, "a@example.com")])
    finding = next(finding for finding in failed(report) if finding.check == "order_id_unique")
    assert "could not be recorded" in finding.message
    assert (finding.severity, finding.blocking, finding.by_delivery) == ("critical", True, False)
    assert (finding.why, finding.owner) == ("A key that occurs twice counts twice.", "team:commerce")


def test_a_failed_blocking_check_is_the_cause_and_what_it_kept_from_running_its_impact(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    report = run(settings, instance, [(1, "a@example.com"), (1, "b@example.com")])
    [finding] = failed(report)
    assert (finding.asset, finding.check) == ("staging/stg_shop__orders", "order_id_unique")
    assert (finding.severity, finding.blocking, finding.owner) == ("critical", True, "team:commerce")
    assert (finding.failed_rows, finding.rows, finding.deliveries) == (2, 2, (DAY,))
    assert finding.expected == "unique"
    assert finding.message.startswith("order_id: 2 of 2 rows are duplicates")
    assert finding.why == "A key that occurs twice counts twice."
    assert finding.runbook == "docs/operations.md#keys-and-duplicates"
    assert finding.next_step.endswith(f"kpi run --date {DAY}")
    assert finding.tags == ("staging", "shop")
    assert "example.com" not in str(report)
    assert report.impact == ("marts/kpi_revenue__daily",)
    assert report.published_as_of is None
    assert report.links["run"].endswith(f"/runs/{report.run_id}")


def test_a_failed_check_of_a_mart_names_the_tables_that_the_mart_is_made_from(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    names = ["orders", "order_items", "refunds", "customers", "products"]
    manifest = {
        "nodes": {"model.kpi.kpi_revenue__daily": {"schema": "marts", "name": "kpi_revenue__daily"}},
        "sources": {f"source.kpi.shop.{name}": {"source_name": "shop", "name": name} for name in names},
        "parent_map": {"model.kpi.kpi_revenue__daily": [f"source.kpi.shop.{name}" for name in names]},
    }
    file = settings.dbt_target_dir / "target" / "manifest.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(manifest), encoding="utf-8")

    @dg.asset(
        key=["marts", "kpi_revenue__daily"],
        check_specs=[dg.AssetCheckSpec("revenue_adds_up", asset=["marts", "kpi_revenue__daily"], blocking=True)],
    )
    def revenue() -> Iterator[Any]:
        yield dg.MaterializeResult()
        yield dg.AssetCheckResult(passed=False, check_name="revenue_adds_up", description="Got 2 results.")

    result = dg.materialize([revenue], instance=instance, raise_on_error=False)
    [finding] = failed(report_of_run(instance, result.run_id, {}, settings))
    assert finding.message == (
        "Got 2 results. The table is made from shop.orders, shop.order_items, shop.refunds, shop.customers and 1 more."
    )


def test_a_failed_warning_leaves_the_run_green_and_nothing_is_held_back(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    report = run(settings, instance, [(1, "a@example.com"), (2, None)])
    [finding] = failed(report)
    assert (finding.check, finding.severity, finding.blocking) == ("email_not_null", "warning", False)
    assert finding.examples == ({"order_id": 2, "email": "***"},)
    assert report.impact == ()


def test_what_passed_is_reported_too_so_that_incidents_can_end(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    report = run(settings, instance, [(1, "a@example.com")])
    passed = {(finding.asset, finding.check) for finding in report.findings if finding.passed}
    assert passed == {
        *(("staging/stg_shop__orders", check) for check in ("not_empty", "order_id_unique", "email_not_null")),
        ("staging/stg_shop__orders", "step_failed"),
        ("staging/stg_shop__orders", "not_checked"),
        ("marts/kpi_revenue__daily", "step_failed"),
        ("run/daily", "run_crashed"),
    }


def test_a_failed_step_speaks_in_its_own_words(settings: Settings, instance: dg.DagsterInstance) -> None:
    words = "shop/orders/orders_2026-01-08.csv.gz: row 1 (header): column 'order_id' is missing"
    report = run(settings, instance, [], dg.Failure(description=words, allow_retries=False))
    [finding] = failed(report)
    assert (finding.check, finding.message) == ("step_failed", words)
    assert report.impact == ("marts/kpi_revenue__daily",)


def test_an_unexpected_error_is_told_without_values(settings: Settings, instance: dg.DagsterInstance) -> None:
    error = duckdb.ConversionException("Conversion Error: Could not convert string 'bob@example.com' to INT32")
    [finding] = failed(run(settings, instance, [], error))
    assert finding.message.endswith("Could not convert string '…' to INT32")


def test_a_step_that_failed_only_by_its_tests_says_nothing_beside_them(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    @dg.multi_asset(
        specs=[dg.AssetSpec(["marts", "fct_orders"])],
        check_specs=[dg.AssetCheckSpec("has_orders", asset=dg.AssetKey(["marts", "fct_orders"]), blocking=True)],
    )
    def transform_marts() -> Iterator[Any]:
        yield dg.AssetCheckResult(passed=False, check_name="has_orders", asset_key=["marts", "fct_orders"])
        yield dg.MaterializeResult(["marts", "fct_orders"])
        raise failure_of([{"status": "fail", "unique_id": "test.kpi.has_orders", "message": "Got 1 result"}], OSError())

    result = dg.materialize([transform_marts], instance=instance, raise_on_error=False)
    [finding] = failed(report_of_run(instance, result.run_id, SUITES, settings))
    assert finding.check == "has_orders"


def test_a_run_that_was_killed_is_a_crash(settings: Settings, instance: dg.DagsterInstance) -> None:
    killed = instance.create_run_for_job(dg.job(name="daily")(lambda: None), tags={"dagster/partition": DAY})
    instance.report_run_failed(killed)
    report = report_of_run(instance, killed.run_id, SUITES, settings)
    [finding] = report.findings
    assert (finding.asset, finding.check, finding.passed) == ("run/daily", "run_crashed", False)
    assert f"kpi run --date {DAY}" in finding.next_step


def test_a_run_that_fails_between_its_steps_says_why(settings: Settings, instance: dg.DagsterInstance) -> None:
    @dg.resource
    def broken(_: dg.InitResourceContext) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    @dg.op(required_resource_keys={"broken"})
    def never_starts() -> None: ...

    @dg.job(name="daily", resource_defs={"broken": broken})
    def daily() -> None:
        never_starts()

    result = daily.execute_in_process(instance=instance, raise_on_error=False)
    [finding] = failed(report_of_run(instance, result.run_id, SUITES, settings))
    assert (finding.asset, finding.check) == ("run/daily", "run_crashed")
    assert finding.message.startswith(f"run {result.run_id[:8]} failed between two steps: The disk of DATA_DIR")
    assert "is full" in finding.message


def test_a_retry_says_whose_retry_it_is(settings: Settings, instance: dg.DagsterInstance) -> None:
    first = run(settings, instance, [(1, "a@example.com"), (1, "a@example.com")])
    again = run(settings, instance, [(1, "a@example.com"), (1, "a@example.com")], parent=first.run_id)
    assert (first.attempt_of, again.attempt_of) == (None, first.run_id)


def test_an_unknown_run_is_an_error(settings: Settings, instance: dg.DagsterInstance) -> None:
    with pytest.raises(LookupError, match="no run nothing"):
        report_of_run(instance, "nothing", SUITES, settings)


def test_a_report_that_cannot_be_made_keeps_no_other_from_being_told(
    settings: Settings, instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks() -> Report:
        raise OSError("a canary")

    seen = Report(
        "a look", datetime.now(UTC), (Finding("landing/shop", "unclaimed_files", "warning", False, "1 file"),)
    )
    report = run(settings, instance, [(1, "a@example.com"), (1, "b@example.com")])
    assert notify_of_runs(instance, settings, SUITES, breaks, lambda: seen) is None
    service = AlertService.of(settings)
    assert service.has_ingested(report.report_id)
    assert {incident.check for incident in service.notified()} == {"order_id_unique", "unclaimed_files"}
    assert "A report could not be made: OSError" in caplog.text
    assert "canary" not in caplog.text


def test_a_step_that_failed_over_a_range_of_days_names_those_that_did(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    source = Source.model_validate(
        {
            "name": "shop", "description": "S", "connector": "files", "owner": "team:x", "sla": "06:00",
            "entities": ["orders"],
            "tables": {
                "orders": {
                    "description": "T", "format": "csv", "columns": ["id"], "key": ["id"],
                    "path": "o_{delivered_on}.csv",
                }
            },
        }
    )  # fmt: skip
    settings.landing_dir.mkdir(parents=True)
    for day in ("2026-01-05", "2026-01-07"):  # the 6th is missing
        (settings.landing_dir / f"o_{day}.csv").write_text(f"id\n{day}\n")
    result = dg.materialize(
        raw_assets(settings, [source], DAYS),
        instance=instance,
        raise_on_error=False,
        tags={"dagster/asset_partition_range_start": "2026-01-05", "dagster/asset_partition_range_end": "2026-01-07"},
    )
    findings = report_of_run(instance, result.run_id, SUITES, settings).findings
    [failed] = [finding for finding in findings if finding.asset == "raw/shop/orders"]
    assert (failed.passed, failed.deliveries, failed.by_delivery) == (False, ("2026-01-06",), True)
    assert "kpi run --date 2026-01-06" in failed.next_step
