"""What no run reports: days without a run, runs that hang or died, numbers that get old, a dead daemon."""

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from socket import gethostname

import dagster as dg
import pytest

from pipelines.alerts.reports import Finding, Report
from pipelines.alerts.routes import Watch
from pipelines.alerts.sensors import watch_once, watchdog
from pipelines.alerts.service import AlertService
from pipelines.alerts.watching import _process_of, end_dead_runs, finished_runs, look, look_at_daemon
from pipelines.ingest.late_files import unclaimed_files
from pipelines.publish.assets import PUBLISHED_KEY
from pipelines.settings import Settings
from pipelines.sources import Source
from tests.unit.dagster_state import switch_schedule

NOON = datetime(2026, 1, 9, 11, 0, tzinfo=UTC)  # 12:00 in Warsaw
WATCH = Watch(run_due="12:00", stale_after_days=1, silent_after_minutes=30)


SHOP = Source.model_validate(
    {
        "name": "shop",
        "description": "The shop.",
        "connector": "files",
        "owner": "team:commerce",
        "sla": "06:00",
        "entities": ["orders"],
        "tables": {
            "orders": {
                "description": "Orders.",
                "path": "shop/orders_{delivered_on}*.csv",
                "format": "csv",
                "columns": ["id"],
                "key": ["id"],
            },
            "lines": {
                "description": "Lines.",
                "path": "shop/{delivered_on:%Y%m}/lines.{delivered_on:%d.%m.%y}.csv",
                "format": "csv",
                "columns": ["id"],
                "key": ["id"],
                "empty_day": "allowed",
                "row_count_suffix": ".count",
            },
        },
    }
)


@pytest.fixture
def on_schedule(settings: Settings) -> Settings:
    """An installation that Dagster's schedule runs every day."""
    wanted = {"environment": "production", "first_delivery": date(2026, 1, 1), "last_delivery": None}
    return settings.model_copy(update=wanted)


def found(report: Report, check: str) -> Finding | None:
    return next((finding for finding in report.findings if finding.check == check), None)


def deliver(settings: Settings, name: str) -> None:
    path = settings.landing_dir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("id\n1\n")


def publish(settings: Settings, as_of: date) -> None:
    folder = settings.published_dir.with_name("publications") / "one"
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {"publication_id": "one", "published_at": "2026-01-09 10:00:00", "as_of_date": str(as_of), "run_id": "r"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    settings.published_dir.unlink(missing_ok=True)
    settings.published_dir.symlink_to(folder)


def start_run(instance: dg.DagsterInstance, process: int | None = None, **tags: str) -> dg.DagsterRun:
    """A run in progress, as announced by the executor with process id `process`."""
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
    finding = found(look(instance, on_schedule, [SHOP], WATCH, now), "missed_schedule")
    assert (finding.passed if finding else None) == passed
    if finding and not passed:
        assert finding.message == "delivery day 2026-01-08 has no run"
        assert finding.next_step.endswith("kpi run --date 2026-01-08")


def test_a_range_of_days_counts_for_each_of_them(on_schedule: Settings, instance: dg.DagsterInstance) -> None:
    tags = {"dagster/asset_partition_range_start": "2026-01-05", "dagster/asset_partition_range_end": "2026-01-08"}
    instance.create_run_for_job(dg.job(name="daily")(lambda: None), tags=tags)
    finding = found(look(instance, on_schedule, [SHOP], WATCH, NOON), "missed_schedule")
    assert finding
    assert finding.passed


def expected_things(report: Report) -> dict[str, bool]:
    """The findings that are judged only if a daily run is expected, and whether each passed."""
    watched = ("late", "missed_schedule", "stale")
    return {finding.check: finding.passed for finding in report.findings if finding.check in watched}


@pytest.mark.parametrize("update", [{"schedule": "none"}, {"environment": "local"}], ids=str)
def test_nothing_is_amiss_where_a_person_decides_when_to_run(
    on_schedule: Settings, instance: dg.DagsterInstance, update: dict[str, str]
) -> None:
    publish(on_schedule, date(2025, 3, 1))
    report = look(instance, on_schedule.model_copy(update=update), [SHOP], WATCH, NOON)
    assert expected_things(report) == {"late": True, "missed_schedule": True, "stale": True}
    stale = found(report, "stale")
    assert stale
    assert stale.message == "no daily run is expected here (setting schedule): runs are started manually"


@pytest.mark.parametrize("schedule", ["cron", "daemon"])
def test_age_and_missing_days_are_judged_whatever_starts_the_daily_run(
    on_schedule: Settings, instance: dg.DagsterInstance, schedule: str
) -> None:
    publish(on_schedule, date(2025, 3, 1))
    site = on_schedule.model_copy(update={"environment": "local", "schedule": schedule})
    report = look(instance, site, [SHOP], WATCH, NOON)
    assert expected_things(report) == {"late": False, "missed_schedule": False, "stale": False}
    stale = found(report, "stale")
    assert stale
    assert stale.message == "published numbers are as of 2025-03-01, 313 days behind 2026-01-08"


def test_cron_asks_no_switch(on_schedule: Settings, instance: dg.DagsterInstance) -> None:
    switch_schedule(instance, on=False)
    report = look(instance, on_schedule.model_copy(update={"schedule": "cron"}), [SHOP], WATCH, NOON)
    assert expected_things(report) == {"late": False, "missed_schedule": False, "stale": False}


def test_a_schedule_that_is_switched_on_in_the_ui_is_expected_to_run(
    on_schedule: Settings, instance: dg.DagsterInstance
) -> None:
    switch_schedule(instance, on=True)
    report = look(instance, on_schedule.model_copy(update={"environment": "local"}), [SHOP], WATCH, NOON)
    assert expected_things(report) == {"late": False, "missed_schedule": False, "stale": False}


def test_what_was_told_of_a_schedule_ends_when_it_is_switched_off(
    on_schedule: Settings, instance: dg.DagsterInstance
) -> None:
    service = AlertService.of(on_schedule)
    service.ingest(look(instance, on_schedule, [SHOP], WATCH, NOON), NOON)
    assert {incident.check for incident in service.notified()} == {"late", "missed_schedule", "stale"}
    switch_schedule(instance, on=False)
    later = NOON + timedelta(minutes=1)
    service.ingest(look(instance, on_schedule, [SHOP], WATCH, later), later)
    assert service.notified() == []


def test_after_the_last_delivery_no_day_is_missed_and_no_file_late(
    on_schedule: Settings, instance: dg.DagsterInstance
) -> None:
    ended = on_schedule.model_copy(update={"last_delivery": date(2026, 1, 2)})
    publish(ended, date(2026, 1, 2))
    assert expected_things(look(instance, ended, [SHOP], WATCH, NOON)) == {
        "late": True,
        "missed_schedule": True,
        "stale": True,
    }


def test_numbers_that_lack_the_last_delivery_are_old(on_schedule: Settings, instance: dg.DagsterInstance) -> None:
    ended = on_schedule.model_copy(update={"last_delivery": date(2026, 1, 5)})
    publish(ended, date(2026, 1, 2))
    finding = found(look(instance, ended, [SHOP], WATCH, NOON), "stale")
    assert finding
    assert finding.message == "published numbers are as of 2026-01-02, 3 days behind 2026-01-05"
    assert not finding.passed


def test_an_installation_that_never_published_has_old_numbers(
    on_schedule: Settings, instance: dg.DagsterInstance
) -> None:
    finding = found(look(instance, on_schedule, [SHOP], WATCH, NOON), "stale")
    assert finding
    assert (finding.passed, finding.message) == (False, "nothing is published")


@pytest.mark.parametrize(
    ("as_of", "passed"), [(date(2026, 1, 8), True), (date(2026, 1, 7), True), (date(2026, 1, 6), False)]
)
def test_published_numbers_grow_old(
    on_schedule: Settings, instance: dg.DagsterInstance, as_of: date, passed: bool
) -> None:
    publish(on_schedule, as_of)
    report = look(instance, on_schedule, [SHOP], WATCH, NOON)
    finding = found(report, "stale")
    assert finding
    assert finding.passed == passed
    assert report.published_as_of == as_of


def test_a_run_that_says_nothing_is_named(settings: Settings, instance: dg.DagsterInstance) -> None:
    run = start_run(instance, os.getpid())
    soon, late = (datetime.now(UTC) + timedelta(minutes=minutes) for minutes in (29, 31))
    quiet = found(look(instance, settings, [SHOP], WATCH, soon), "silent")
    silent = found(look(instance, settings, [SHOP], WATCH, late), "silent")
    assert quiet
    assert silent
    assert (quiet.passed, silent.passed) == (True, False)
    assert silent.message == f"run {run.run_id[:8]} has logged nothing for 31 min"


def test_a_run_whose_process_is_gone_is_ended_and_others_are_not(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead, alive, starting = start_run(instance, gone.pid), start_run(instance, os.getppid()), start_run(instance)
    assert end_dead_runs(instance, settings) == [dead.run_id]
    statuses = [instance.get_run_by_id(run.run_id).status.value for run in (dead, alive, starting)]  # type: ignore[union-attr]
    assert statuses == ["FAILURE", "STARTED", "STARTED"]
    assert end_dead_runs(instance, settings) == []
    assert list(finished_runs(instance, datetime.now(UTC) - timedelta(days=1))) == [dead.run_id]


def test_one_look_ends_a_run_that_died_and_tells_of_it(settings: Settings, instance: dg.DagsterInstance) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    start_run(instance, gone.pid)
    assert watch_once(instance, settings, [SHOP], {}) is not None
    assert [incident.check for incident in AlertService.of(settings).notified()] == ["run_crashed"]


def test_cron_learns_of_old_numbers_and_so_does_the_ui_without_a_daemon(
    on_schedule: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    publish(on_schedule, date(2025, 3, 1))
    wrong = watchdog(on_schedule.model_copy(update={"schedule": "cron"}), [SHOP], {})
    assert any(
        line.startswith("critical  published/kpi stale: published numbers are as of 2025-03-01") for line in wrong
    )
    with dg.DagsterInstance.get() as instance:
        fresh = instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(PUBLISHED_KEY, "fresh"))
    assert fresh
    assert fresh.evaluation
    assert not fresh.evaluation.passed


def test_the_executor_says_which_process_it_is(instance: dg.DagsterInstance) -> None:
    """The test above writes what Dagster writes, by hand. This test compares that with Dagster."""

    @dg.asset
    def numbers() -> None: ...

    run_id = dg.materialize([numbers], instance=instance).run_id
    assert _process_of(instance, run_id) == os.getpid()


def test_a_delivery_that_is_late_by_its_sources_sla(on_schedule: Settings, instance: dg.DagsterInstance) -> None:
    early = datetime(2026, 1, 9, 4, 59, tzinfo=UTC)
    due = early + timedelta(minutes=1)  # 06:00 in Warsaw
    assert found(look(instance, on_schedule, [SHOP], WATCH, early), "late") is None
    late = found(look(instance, on_schedule, [SHOP], WATCH, due), "late")
    assert late
    assert (late.asset, late.passed, late.owner) == ("raw/shop/orders", False, "team:commerce")
    assert late.message == "the delivery of 2026-01-08 has not arrived"
    deliver(on_schedule, "shop/orders_2026-01-08.csv")
    here = found(look(instance, on_schedule, [SHOP], WATCH, due), "late")
    assert here
    assert here.passed


def test_files_that_nobody_will_ever_read_are_named(on_schedule: Settings, instance: dg.DagsterInstance) -> None:
    read = ["shop/orders_2026-01-08.csv", "shop/orders_2026-01-08_part2.csv", "shop/202601/lines.08.01.26.csv",
            "shop/202601/lines.08.01.26.csv.count", "elsewhere/notes.txt", "shop/.hidden"]  # fmt: skip
    unread = ["shop/202601/lines.08.02.26.csv", "shop/order_2026-01-08.csv", "shop/orders_2025-12-31.csv",
              "shop/orders_2026-02-30.csv", "shop/sub/orders_2026-01-08.csv"]  # fmt: skip
    for name in read:
        deliver(on_schedule, name)
    assert unclaimed_files(on_schedule, [SHOP]) == []
    for name in unread:
        deliver(on_schedule, name)
    assert [str(name) for name in unclaimed_files(on_schedule, [SHOP])] == unread
    finding = found(look(instance, on_schedule, [SHOP], WATCH, NOON), "unclaimed_files")
    assert finding
    assert not finding.passed
    assert finding.message == f"no run will read {', '.join(unread)}"


def test_a_daemon_that_never_ran_is_down(on_schedule: Settings, instance: dg.DagsterInstance) -> None:
    [finding] = look_at_daemon(instance, on_schedule, NOON).findings
    assert not finding.passed
    assert finding.message == "the Dagster daemon is down, it has never run here"


@pytest.mark.parametrize("schedule", ["cron", "none"])
def test_no_daemon_is_missed_where_something_else_starts_the_daily_run(
    on_schedule: Settings, instance: dg.DagsterInstance, schedule: str
) -> None:
    [finding] = look_at_daemon(instance, on_schedule.model_copy(update={"schedule": schedule}), NOON).findings
    assert finding.passed


def test_a_table_that_cannot_be_looked_at_is_an_incident_of_its_own_and_the_others_are_looked_at(
    on_schedule: Settings, instance: dg.DagsterInstance
) -> None:
    broken = SHOP.model_copy(update={"name": "till", "owner": "team:tills", "sla": "29:59"})
    report = look(instance, on_schedule, [broken, SHOP], WATCH, NOON)
    failing = {(finding.asset, finding.check) for finding in report.findings if not finding.passed}
    assert failing == {
        ("raw/till/orders", "watched"),
        ("raw/shop/orders", "late"),
        ("job/daily", "missed_schedule"),
        ("published/kpi", "stale"),
    }
    [finding] = [finding for finding in report.findings if not finding.passed and finding.check == "watched"]
    assert finding.message == "the watch cannot look at it (ValueError: hour must be in 0..23)"
    assert (finding.severity, finding.owner) == ("critical", "team:tills")
    mended = broken.model_copy(update={"sla": "06:00"})
    again = look(instance, on_schedule, [mended, SHOP], WATCH, NOON).findings
    assert [finding.passed for finding in again if finding.check == "watched"] == [True] * 9


@pytest.mark.parametrize(
    ("broken", "asset"),
    [
        ("_of_runs_under_way", "run/daily"),
        ("unclaimed_files", "landing/shop"),
        ("due_delivery", "raw/shop/orders"),
        ("_has_run", "job/daily"),
        ("published_as_of", "published/kpi"),
    ],
)
def test_whatever_cannot_be_looked_at_is_said(
    on_schedule: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, broken: str, asset: str
) -> None:
    def fail(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "there")

    whole = look(instance, on_schedule, [SHOP], WATCH, NOON).findings
    monkeypatch.setattr(f"pipelines.alerts.watching.{broken}", fail)
    report = look(instance, on_schedule, [SHOP], WATCH, NOON)
    unseen = {finding.asset for finding in report.findings if finding.check == "watched" and not finding.passed}
    assert asset in unseen
    assert {finding.asset for finding in report.findings} == {finding.asset for finding in whole}
    assert all("Permission denied" in finding.message for finding in report.findings if finding.asset == asset)


def test_of_hosts_that_share_a_database_the_writer_ends_what_another_has_left(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    """The numbers of processes on other hosts, and in other containers, mean nothing here."""
    shared = settings.model_copy(update={"database_env": "KPI_DATABASE"})
    elsewhere = start_run(instance, os.getpid())
    instance.add_run_tags(elsewhere.run_id, {"host": "another"})
    start_run(instance, os.getpid())  # by a run launcher, which knows where it is
    assert end_dead_runs(instance, shared) == []
    assert end_dead_runs(instance, shared, is_the_writer=True) == [elsewhere.run_id]
    here = start_run(instance, os.getpid())
    instance.add_run_tags(here.run_id, {"host": gethostname()})
    assert end_dead_runs(instance, shared) == [here.run_id]
