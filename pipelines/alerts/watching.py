"""What no run tells: late deliveries, files nobody reads, runs that never started or hang, numbers that grow old.

Belongs here: one look at the installation, as a report, and ending runs whose process is gone.
Does not belong here: when looks are taken (`sensors.py`, `kpi alerts watchdog`), and who is told (`incidents.py`).

Nobody is told of a missing day or of old numbers where no schedule runs: there, a person decides when to run.
"""

import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from pipelines.alerts.reports import Finding, Report
from pipelines.alerts.routes import Watch
from pipelines.alerts.runs import RUN, days_of
from pipelines.ingest.arrivals import unclaimed_files
from pipelines.ingest.landing import raw_days
from pipelines.output import local_time
from pipelines.publish.versions import published_as_of
from pipelines.quality.expectation_types import listed
from pipelines.settings import Settings
from pipelines.sources import Source, each_table

JOB, SCHEDULE = "daily", "daily_at_ten"
_UNDER_WAY = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def look(
    instance: dg.DagsterInstance, settings: Settings, sources: Sequence[Source], watch: Watch, now: datetime
) -> Report:
    """What there is to say at `now` (UTC). What cannot be judged yet is not in the report."""
    findings = [_of_runs_under_way(instance, watch, now), *_of_the_landing_folder(settings, sources)]
    if _schedule_is_running(instance, settings):
        local = now.astimezone(ZoneInfo(settings.time_zone))
        yesterday = local.date() - timedelta(days=1)
        if yesterday >= settings.first_delivery:
            findings += _of_deliveries(settings, sources, yesterday, local.time())
        if local.time() >= watch.run_due and yesterday >= settings.first_delivery:
            findings.append(_of_the_schedule(instance, settings, watch, yesterday))
        as_of = published_as_of(settings.published_dir)
        if as_of:
            findings.append(_of_what_is_published(as_of, yesterday, watch))
    return Report(
        report_id=f"watch {now.isoformat()}",
        at=now,
        findings=tuple(findings),
        published_as_of=published_as_of(settings.published_dir),
        links={"runs": f"{settings.ui_url}/runs"},
    )


def look_at_daemon(instance: dg.DagsterInstance, settings: Settings, now: datetime) -> Report:
    """Whether the daemon lives. Only somebody outside of it can ask."""
    statuses = instance.get_daemon_statuses().values()
    down = sorted(status.daemon_type for status in statuses if status.required and not status.healthy)
    beats = [status.last_heartbeat.timestamp for status in statuses if status.last_heartbeat]
    seen = local_time(datetime.fromtimestamp(max(beats), UTC), settings.zone) if beats else ""
    last = f"its last sign is of {seen}" if beats else "it has never run here"
    return Report(
        report_id=f"watchdog {now.isoformat()}",
        at=now,
        findings=(
            Finding(
                asset="daemon/dagster",
                check="heartbeat",
                severity="critical",
                passed=not down,
                blocking=True,
                message=f"the Dagster daemon is down, {last}" if down else "the Dagster daemon lives",
                observed=f"down: {', '.join(down)}".lower() if down else "",
                expected="a sign of life every minute",
                why="Without it nothing runs by itself: no schedule, no late file, no retry, no notice.",
                next_step="Start it again: kpi dev, or what runs it in production",
                runbook="docs/operations.md#the-daemon-is-down",
            ),
        ),
        published_as_of=published_as_of(settings.published_dir),
    )


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark as failed what is said to run while its process is gone, and return the ids.

    Such a run, of a killed `kpi run` or of a machine that went down, would keep all others waiting in the queue.
    """
    ended = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=_UNDER_WAY)):
        run = record.dagster_run
        process = _process_of(instance, run.run_id)
        if process is not None and not _is_alive(process):
            instance.report_run_failed(run, f"The process of this run ({process}) is gone.")
            ended.append(run.run_id)
    return ended


def finished_runs(instance: dg.DagsterInstance, since: datetime) -> Iterator[str]:
    """The ids of runs that succeeded or failed after `since`, in the order they ended."""
    ended = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE], updated_after=since)
    records = instance.get_run_records(ended)
    for record in sorted(records, key=lambda record: (record.update_timestamp, record.storage_id)):
        yield record.dagster_run.run_id


def _of_runs_under_way(instance: dg.DagsterInstance, watch: Watch, now: datetime) -> Finding:
    silent = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=_UNDER_WAY)):
        run_id = record.dagster_run.run_id
        last = instance.get_records_for_run(run_id, limit=1, ascending=False).records
        minutes = (now.timestamp() - last[0].event_log_entry.timestamp) / 60 if last else 0
        if minutes >= watch.silent_after_minutes:
            silent.append(f"run {run_id[:8]} has said nothing for {minutes:.0f} min")
    return Finding(
        asset=RUN,
        check="silent",
        severity="critical",
        passed=not silent,
        blocking=True,
        message="; ".join(silent) or "every run under way talks",
        expected=f"a word every {watch.silent_after_minutes} minutes",
        why="As long as it hangs no other run starts.",
        next_step="Look at its log in the UI; terminate it there, and run the day again: kpi run --date DAY",
        runbook="docs/operations.md#a-run-hangs",
    )


def _of_the_landing_folder(settings: Settings, sources: Sequence[Source]) -> Iterator[Finding]:
    """Per source, files that nobody will ever read."""
    for source in sources:
        if source.is_asked:
            continue
        files = unclaimed_files(settings, [source])
        yield Finding(
            asset=f"landing/{source.name}",
            check="unclaimed_files",
            severity="warning",
            passed=not files,
            message=f"no run will read {listed(files, 5)}" if files else "every file belongs to a table",
            expected="names as in the source's YAML, days since first_delivery",
            owner=source.owner,
            why="What was delivered under another name is missing in every KPI.",
            next_step="Rename the files, correct `path` in the source's YAML, or move them out of the landing folder",
            runbook="docs/operations.md#files-that-nobody-reads",
            tags=("landing", source.name),
        )


def _of_deliveries(settings: Settings, sources: Sequence[Source], day: date, now: time) -> Iterator[Finding]:
    """Per table that delivers every day, whether the day is here, once its source's `sla` has passed."""
    for source, name, table in each_table(sources):
        if source.is_asked or table.empty_day == "allowed" or now < time.fromisoformat(source.sla):
            continue
        is_here = bool(table.files(settings.landing_dir, day)) or day in raw_days(settings.raw_dir, source.name, name)
        yield Finding(
            asset=f"raw/{source.name}/{name}",
            check="late",
            severity="warning",
            passed=is_here,
            message=f"the delivery of {day} is here" if is_here else f"the delivery of {day} is not here",
            expected=f"here by {source.sla} ({settings.time_zone})",
            owner=source.owner,
            why="The day's run will fail for want of it.",
            next_step=f"Ask who delivers it; put it at {table.path.format(delivered_on=day)} in the landing folder",
            runbook="docs/operations.md#delivery-missing-or-small",
            tags=("raw", source.name),
            deliveries=(str(day),),
        )


def _of_the_schedule(instance: dg.DagsterInstance, settings: Settings, watch: Watch, day: date) -> Finding:
    ran = any(
        str(day) in days_of(record.dagster_run)
        for record in instance.get_run_records(
            dg.RunsFilter(created_after=datetime.combine(day, time(), ZoneInfo(settings.time_zone)).astimezone(UTC))
        )
    )
    return Finding(
        asset=f"job/{JOB}",
        check="missed_schedule",
        severity="critical",
        passed=ran,
        blocking=True,
        message=f"delivery day {day} has a run" if ran else f"delivery day {day} has no run",
        expected=f"a run by {watch.run_due:%H:%M} ({settings.time_zone})",
        why="Analysts go on reading older numbers.",
        next_step=f"See whether daemon and schedule run, then: kpi run --date {day}",
        runbook="docs/operations.md#a-day-was-not-run",
        deliveries=(str(day),),
    )


def _of_what_is_published(as_of: date, yesterday: date, watch: Watch) -> Finding:
    behind = (yesterday - as_of).days
    return Finding(
        asset="published/kpi",
        check="stale",
        severity="critical",
        passed=behind <= watch.stale_after_days,
        blocking=False,
        message=f"published numbers are as of {as_of}, {behind} days behind {yesterday}",
        observed=f"{behind} days behind",
        expected=f"at most {watch.stale_after_days} days behind",
        why="Whoever reads them takes them for today's.",
        next_step="See what the last runs were blocked by: kpi alerts list",
        runbook="docs/operations.md#published-numbers-are-old",
    )


def _schedule_is_running(instance: dg.DagsterInstance, settings: Settings) -> bool:
    """As switched in the UI; where nobody touched the switch, as the environment's policy has it."""
    for state in instance.all_instigator_state():
        if state.name == SCHEDULE and state.status.value in ("RUNNING", "STOPPED"):
            return state.status.value == "RUNNING"
    return settings.policy.schedule_running


def _process_of(instance: dg.DagsterInstance, run_id: str) -> int | None:
    """The process that executes a run, as the executor says when it starts; None before it does."""
    for record in instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records:
        event = record.event_log_entry.dagster_event
        named = re.search(r"\(pid: (\d+)\)", event.message or "") if event else None
        if named:
            return int(named[1])
    return None


def _is_alive(process: int) -> bool:
    if os.name != "posix":
        return True  # signal 0 asks on POSIX; elsewhere it ends the process
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
