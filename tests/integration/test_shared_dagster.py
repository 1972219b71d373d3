"""Dagster's runs, events and schedules in the database that hosts share, compared with what Dagster itself reads."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from subprocess import run as run_command

import dagster as dg
import pytest

from pipelines.damage import StoreError
from pipelines.runs.history import JOB, DagsterHistory
from pipelines.runs.instance import instance_file
from pipelines.settings import Settings
from tests.conftest import PROJECT_DIR
from tests.integration.postgres import Postgres, free_port
from tests.unit.dagster_state import beat, switch_schedule

VARIABLE = "DATABASE_OF_THIS_TEST"
DAYS = dg.DailyPartitionsDefinition("2026-01-01")


@dg.asset(partitions_def=DAYS)
def orders() -> None: ...


@pytest.fixture
def url(request: pytest.FixtureRequest, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> str:
    name = request.node.name
    postgres.execute("postgres", f'create database "{name}"')
    monkeypatch.setenv(VARIABLE, postgres.url(name))
    return postgres.url(name)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    settings = Settings(
        sources=["shop"], first_delivery="2025-01-01", time_zone="UTC", reporting_currency="EUR", database_env=VARIABLE
    )
    (tmp_path / "dagster.yaml").write_text(instance_file(settings), encoding="utf-8")
    return tmp_path


@pytest.fixture
def instance(url: str, home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def run(instance: dg.DagsterInstance, day: str) -> str:
    job = dg.define_asset_job(JOB, [orders], partitions_def=DAYS)
    defs = dg.Definitions([orders], jobs=[job])
    return defs.resolve_job_def(JOB).execute_in_process(instance=instance, partition_key=day).run_id


def test_runs_schedule_and_daemon_are_read(instance: dg.DagsterInstance, home: Path, url: str) -> None:
    history = DagsterHistory(home, url)
    assert (history.runs(), history.switch(), history.daemon_seen_at()) == ([], None, None)
    first, second = run(instance, "2026-01-08"), run(instance, "2026-01-09")
    moment = datetime(2026, 1, 9, 9, 30, tzinfo=UTC)
    switch_schedule(instance, on=True)
    beat(instance, moment)
    newer, older = history.runs()
    assert [(newer.run_id, newer.days), (older.run_id, older.days)] == [
        (second, (date(2026, 1, 9),)),
        (first, (date(2026, 1, 8),)),
    ]
    record = instance.get_run_record_by_id(second)
    assert record
    assert record.start_time
    assert newer.started_at == datetime.fromtimestamp(record.start_time, UTC)
    assert (newer.status, history.switch(), history.daemon_seen_at()) == ("SUCCESS", True, moment)


def test_a_day_stays_landed_after_its_run_was_deleted(instance: dg.DagsterInstance) -> None:
    run_id = run(instance, "2026-01-08")
    instance.delete_run(run_id)
    assert instance.get_run_by_id(run_id) is None
    assert instance.get_materialized_partitions(dg.AssetKey("orders")) == {"2026-01-08"}


@pytest.mark.nightly
def test_hosts_that_begin_at_once_find_all_tables(url: str, home: Path) -> None:
    """The first of them creates the tables."""
    begin = f"import dagster as dg; dg.DagsterInstance.from_config({str(home)!r}).get_runs()"
    with ThreadPoolExecutor() as hosts:
        command = [sys.executable, "-c", begin]
        ended = list(
            hosts.map(lambda _: run_command(command, cwd=PROJECT_DIR, capture_output=True, text=True), range(2))
        )
    assert [host.returncode for host in ended] == [0, 0], "\n".join(host.stderr for host in ended)


def test_a_database_that_does_not_answer_is_named_without_its_password(home: Path) -> None:
    port = free_port()
    with pytest.raises(StoreError, match=f"The database kpi at 127.0.0.1:{port} cannot be reached") as raised:
        DagsterHistory(home, f"postgresql://kpi:hunter2@127.0.0.1:{port}/kpi").runs()
    assert "hunter2" not in str(raised.value)


def test_no_file_of_dagsters_says_more_than_the_variables_name(instance: dg.DagsterInstance, home: Path) -> None:
    run(instance, "2026-01-08")
    for file in home.rglob("*"):
        assert not file.is_file() or b"postgresql://" not in file.read_bytes()
