"""What no run tells: days without a run, runs without a word or a process, numbers that grow old, a dead daemon."""

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta

import dagster as dg
import pytest

from pipelines.alerts.reports import Finding, Report
from pipelines.alerts.watching import Watch, _process_of, end_dead_runs, finished_runs, look, look_at_daemon
from pipelines.settings import Settings

NOON = datetime(2026, 1, 9, 11, 0, tzinfo=UTC)  # 12:00 in Warsaw
WATCH = Watch(run_due=time(12, 0), stale_after_days=1, silent_after_minutes=30)


@pytest.fixture
def on_schedule(settings: Settings) -> Settings:
    return settings.model_copy(update={"environment": "production", "first_delivery": date(2026, 1, 1)})


def found(report: Report, check: str) -> Finding | None:
    return next((finding for finding in report.findings if finding.check == check), None)


def publish(settings: Settings, as_of: date) -> None:
    folder = settings.published_dir.with_name("publications") / "one"
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {"publication_id": "one", "published_at": "2026-01-09 10:00:00", "as_of_date": str(as_of), "run_id": "r"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    settings.published_dir.unlink(missing_ok=True)
    settings.published_dir.symlink_to(folder)


def start_run(instance: dg.DagsterInstance, process: int | None = None, **tags: str) -> dg.DagsterRun:
    """A run under way, as the executor of process `process` announces it."""
    run = instance.create_run_for_job(dg.job(name="daily")(lambda: None), tags=tags)
    instance.report_dagster_event(dg.DagsterEvent("PIPELINE_START", "daily"), run.run_id)
    if process is not None:
        instance.report_engine_event(f"Executing steps in process (pid: {process})", run)
    return run


@pytest.mark.parametrize(
    ("now", "partition", "passed"),
    [
        (NOON, None, False),
        (NOON, "2026-01-07", False),
        (NOON, "2026-01-08", True),
        (NOON - timedelta(minutes=1), None, None),
    ],
    ids=["no run", "a run of another day", "a run of the day", "it is not due yet"],
)
def test_a_delivery_day_without_a_run_when_it_is_due(
    on_schedule: Settings, instance: dg.DagsterInstance, now: datetime, partition: str | None, passed: bool | None
) -> None:
    if partition:
        instance.create_run_for_job(dg.job(name="daily")(lambda: None), tags={"dagster/partition": partition})
    finding = found(look(instance, on_schedule, WATCH, now), "missed_schedule")
    assert (finding.passed if finding else None) == passed
    if finding and not passed:
        assert finding.message == "delivery day 2026-01-08 has no run"
        assert finding.next_step.endswith("kpi run --date 2026-01-08")


def test_a_range_of_days_counts_for_each_of_them(on_schedule: Settings, instance: dg.DagsterInstance) -> None:
    tags = {"dagster/asset_partition_range_start": "2026-01-05", "dagster/asset_partition_range_end": "2026-01-08"}
    instance.create_run_for_job(dg.job(name="daily")(lambda: None), tags=tags)
    finding = found(look(instance, on_schedule, WATCH, NOON), "missed_schedule")
    assert finding
    assert finding.passed


def test_nobody_is_told_of_days_and_age_where_no_schedule_runs(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    publish(settings, date(2020, 1, 1))
    assert {finding.check for finding in look(instance, settings, WATCH, NOON).findings} == {"silent"}


@pytest.mark.parametrize(
    ("as_of", "passed"), [(date(2026, 1, 8), True), (date(2026, 1, 7), True), (date(2026, 1, 6), False)]
)
def test_published_numbers_grow_old(
    on_schedule: Settings, instance: dg.DagsterInstance, as_of: date, passed: bool
) -> None:
    publish(on_schedule, as_of)
    report = look(instance, on_schedule, WATCH, NOON)
    finding = found(report, "stale")
    assert finding
    assert finding.passed == passed
    assert report.published_as_of == as_of


def test_a_run_that_says_nothing_is_named(settings: Settings, instance: dg.DagsterInstance) -> None:
    run = start_run(instance, os.getpid())
    soon, late = (datetime.now(UTC) + timedelta(minutes=minutes) for minutes in (29, 31))
    quiet = found(look(instance, settings, WATCH, soon), "silent")
    silent = found(look(instance, settings, WATCH, late), "silent")
    assert quiet
    assert silent
    assert (quiet.passed, silent.passed) == (True, False)
    assert silent.message == f"run {run.run_id[:8]} has said nothing for 31 minutes"


def test_a_run_whose_process_is_gone_is_ended_and_others_are_not(instance: dg.DagsterInstance) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead, alive, starting = start_run(instance, gone.pid), start_run(instance, os.getpid()), start_run(instance)
    assert end_dead_runs(instance) == [dead.run_id]
    statuses = [instance.get_run_by_id(run.run_id).status.value for run in (dead, alive, starting)]  # type: ignore[union-attr]
    assert statuses == ["FAILURE", "STARTED", "STARTED"]
    assert end_dead_runs(instance) == []
    assert list(finished_runs(instance, datetime.now(UTC) - timedelta(days=1))) == [dead.run_id]


def test_the_executor_says_which_process_it_is(instance: dg.DagsterInstance) -> None:
    """The test above writes by hand what Dagster writes; this one holds it against Dagster."""

    @dg.asset
    def numbers() -> None: ...

    run_id = dg.materialize([numbers], instance=instance).run_id
    assert _process_of(instance, run_id) == os.getpid()


def test_a_daemon_that_never_ran_is_down(settings: Settings, instance: dg.DagsterInstance) -> None:
    [finding] = look_at_daemon(instance, settings, NOON).findings
    assert not finding.passed
    assert finding.message == "the Dagster daemon is down, it has never run here"
