"""The smallest possible installation, with the alerts of the real one: what the daemon of `test_alerts.py` loads.

Its only table is built, and checked by a suite, as `DATA_DIR/do.json` says. Files in `DATA_DIR/requests/` request runs.
"""

import json
import os
import time

import dagster as dg
import duckdb

from pipelines.alerts.sensors import alert_sensors
from pipelines.checks.asset_checks import asset_checks
from pipelines.checks.gx.relations import DuckDBTable
from pipelines.checks.history import CheckHistory
from pipelines.checks.suites import Suite
from pipelines.partitions import delivery_days
from pipelines.settings import PROJECT_DIR, get_settings

settings = get_settings()
days = delivery_days(settings)
suite = Suite.model_validate(
    {
        "stage": "staging",
        "name": "stg_shop__orders",
        "path": PROJECT_DIR / "tests" / "e2e" / "location.py",
        "owner": "team:commerce",
        "runbook": "docs/operations.md#keys-and-duplicates",
        "description": "Orders.",
        "expectations": [
            {
                "type": "expect_column_values_to_be_unique",
                "kwargs": {"column": "order_id"},
                "why": "A key that occurs twice counts twice.",
            },
            {
                "type": "expect_column_values_to_not_be_null",
                "severity": "warning",
                "kwargs": {"column": "channel"},
                "why": "Orders without a channel are in no cut.",
            },
        ],
    }
)


@dg.asset(key=["staging", "stg_shop__orders"], partitions_def=days)
def orders() -> None:
    """Two orders, as good or bad as the test wants them."""
    wanted = json.loads((settings.data_dir / "do.json").read_text())
    if wanted.get("break"):
        raise dg.Failure(description=wanted["break"], allow_retries=False)
    if wanted.get("hang"):
        (settings.data_dir / "pid").write_text(str(os.getpid()))
        time.sleep(3600)
    rows = [(1, "web"), (wanted.get("second_id", 2), wanted.get("channel", "web"))]
    with duckdb.connect(str(settings.warehouse_path)) as connection:
        connection.execute("create schema if not exists staging")
        connection.execute("create or replace table staging.stg_shop__orders (order_id integer, channel varchar)")
        connection.executemany("insert into staging.stg_shop__orders values (?, ?)", rows)


@dg.asset(key=["marts", "kpi_revenue__daily"], deps=[orders], partitions_def=days)
def revenue() -> None:
    """What a failed check keeps from being made."""


daily = dg.define_asset_job("daily", selection=dg.AssetSelection.all(), partitions_def=days)


@dg.sensor(job=daily, minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def requests(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """A run for each file that requests one, for the delivery day that the file names."""
    asked = sorted((settings.data_dir / "requests").glob("[!.]*"))
    return dg.SensorResult([dg.RunRequest(run_key=path.name, partition_key=path.read_text()) for path in asked])


defs = dg.Definitions(
    assets=[orders, revenue],
    asset_checks=[
        asset_checks(
            suite,
            dg.AssetKey(["staging", "stg_shop__orders"]),
            lambda _: DuckDBTable(settings.warehouse_path, "staging", "stg_shop__orders"),
            history=CheckHistory(settings.check_history_path),
        )
    ],
    jobs=[daily],
    sensors=[requests, *alert_sensors(settings, [], {(suite.stage, suite.name): suite}, tick_seconds=1)],
    executor=dg.in_process_executor,
)
