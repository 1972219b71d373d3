"""A run that was killed: the next one mentions it, and its incident ends with the success that follows."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from pipelines.alerts.sensors import notify_of_runs, watch_once
from pipelines.alerts.service import AlertService
from pipelines.runs.history import JOB
from pipelines.runs.job import killed_runs
from pipelines.settings import Settings
from tests.unit.dagster_state import end_step


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        sources=["shop"], first_delivery="2025-01-01", time_zone="UTC", reporting_currency="EUR", data_dir=tmp_path
    )


@pytest.fixture
def instance(tmp_path: Path, new_dagster_home: Path) -> Iterator[dg.DagsterInstance]:
    home = tmp_path / "dagster"
    shutil.copytree(new_dagster_home, home)
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        yield instance


@dg.op
def land(context: dg.OpExecutionContext) -> None:
    pass


@dg.op(ins={"before": dg.In(dg.Nothing)})
def publish(context: dg.OpExecutionContext) -> None:
    context.log_event(dg.AssetMaterialization(["published", "kpi"]))


@dg.job(name=JOB)
def daily() -> None:
    publish(land())


def kill(instance: dg.DagsterInstance, *done: str) -> dg.DagsterRun:
    """A run of four days in whose history these steps are done and whose process is gone."""
    tags = {"dagster/asset_partition_range_start": "2025-01-01", "dagster/asset_partition_range_end": "2025-01-04"}
    run = instance.create_run_for_job(daily, tags=tags)
    instance.report_dagster_event(dg.DagsterEvent("PIPELINE_START", JOB), run.run_id)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    instance.report_engine_event(f"Executing steps in process (pid: {gone.pid})", run)
    for step in done:
        end_step(instance, run, step)
    return run


def test_the_next_run_says_which_run_was_killed_and_how_far_it_got(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    run = kill(instance, "land")
    [line] = killed_runs(instance, settings, 2)
    assert line.startswith(f"Run {run.run_id[:8]} of 2025-01-01 to 2025-01-04, which began at ")
    assert line.endswith(" was killed: 1 of 2 steps were done, the last land. It published nothing.")
    assert killed_runs(instance, settings, 2) == [line]  # also if somebody has noticed it before
    daily.execute_in_process(instance=instance)
    assert killed_runs(instance, settings, 2) == []


def test_a_killed_run_of_which_nothing_is_done_says_so(settings: Settings, instance: dg.DagsterInstance) -> None:
    kill(instance)
    [line] = killed_runs(instance, settings, 2)
    assert line.endswith(" was killed: none of 2 steps were done. It published nothing.")


def test_its_incident_ends_with_the_success_that_follows(settings: Settings, instance: dg.DagsterInstance) -> None:
    kill(instance, "land")
    watch_once(instance, settings, [], {})
    assert [one.check for one in AlertService.of(settings).notified()] == ["run_crashed"]
    daily.execute_in_process(instance=instance)
    notify_of_runs(instance, settings, {})
    assert AlertService.of(settings).notified() == []


def test_it_opens_no_incident_if_it_is_noticed_after_a_success(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    kill(instance, "land")
    daily.execute_in_process(instance=instance)
    watch_once(instance, settings, [], {})
    with AlertService.of(settings).store.transaction() as transaction:
        assert [one for one in transaction.incidents(resolved=True) if one.check == "run_crashed"] == []
