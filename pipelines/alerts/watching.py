"""Finds problems that no run can report: late deliveries, unread files, runs that did not start or hang, old numbers.

Belongs here: one look at the installation, as a report, and ending runs whose process no longer exists.
Does not belong here: when looks happen (`sensors.py`, `kpi alerts watchdog`), and who is notified (`incidents.py`).

If no daily run is expected, runs are started manually, so no notifications are sent about a missing day, late files
or old numbers. Their open incidents end: the findings pass and say why.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time
from functools import partial
from socket import gethostname
from zoneinfo import ZoneInfo

import dagster as dg

from pipelines.alerts.reports import Finding, Report
from pipelines.alerts.routes import Watch
from pipelines.alerts.run_report import RUN, days_of
from pipelines.checks.gx.expectation_types import listed
from pipelines.formatting import local_time
from pipelines.ingest.late_files import unclaimed_files
from pipelines.operations.due import due_delivery, has_ended, is_awaited, local, newest_day, run_is_expected
from pipelines.publish.versions import published_as_of
from pipelines.runs.code_location import HOST
from pipelines.runs.history import JOB, SCHEDULE
from pipelines.runs.processes import is_alive
from pipelines.settings import Settings
from pipelines.sources import Source, each_table
from pipelines.tables import TableRef

_NOBODY_WAITS = "no daily run is expected here (setting schedule): runs are started manually"
_UNDER_WAY = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def look(
    instance: dg.DagsterInstance, settings: Settings, sources: Sequence[Source], watch: Watch, now: datetime
) -> Report:
    """The report of a look at `now` (UTC). It does not contain what cannot be judged yet."""
    findings = [*_watched(RUN, partial(_of_runs_under_way, instance, watch, now))]
    for source in sources:
        if not source.is_asked:
            findings += _watched(f"landing/{source.name}", partial(_of_the_landing_folder, settings, source), source)
    expected = partial(_of_what_is_expected, instance, settings, sources, watch, now)
    findings += _watched(f"job/{JOB}", expected)
    as_of = None
    with suppress(Exception):  # the finding about published/kpi says why
        as_of = published_as_of(settings.published_dir)
    return Report(
        report_id=f"watch {now.isoformat()}",
        at=now,
        findings=tuple(findings),
        published_as_of=as_of,
        links={"runs": f"{settings.ui_url}/runs"},
    )


def _watched(asset: str, find: Callable[[], Iterable[Finding]], source: Source | None = None) -> Iterator[Finding]:
    """What there is to find about an asset, and whether it could be looked at: the others are, if it could not."""
    reason = ""
    try:
        yield from find()
    except Exception as error:  # any error: a watch that ends says nothing about anything
        reason = f"{type(error).__name__}: {error}"
    yield Finding(
        asset=asset,
        check="watched",
        severity="critical",
        passed=not reason,
        message=f"the watch cannot look at it ({reason})" if reason else "the watch can look at it",
        owner=source.owner if source else "",
        why="As long as it cannot, nobody is notified of what goes wrong here.",
        next_step="Correct what the message names; kpi doctor examines the whole installation",
        runbook="docs/operations.md#the-watch-cannot-look",
        tags=(source.name,) if source else (),
    )


def look_at_daemon(instance: dg.DagsterInstance, settings: Settings, now: datetime) -> Report:
    """Whether the daemon is up, if it must start the daily run. Only another process can check this."""
    is_needed = settings.started_by != "cron" and run_is_expected(settings, _switch(instance))
    statuses = instance.get_daemon_statuses().values()
    down = sorted(status.daemon_type for status in statuses if is_needed and status.required and not status.healthy)
    beats = [status.last_heartbeat.timestamp for status in statuses if status.last_heartbeat]
    seen = local_time(datetime.fromtimestamp(max(beats), UTC), settings.zone) if beats else ""
    last = f"its last heartbeat was at {seen}" if beats else "it has never run here"
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
                message=f"the Dagster daemon is down, {last}"
                if down
                else "the Dagster daemon is running"
                if is_needed
                else "the Dagster daemon is not expected to start the daily run (setting schedule)",
                observed=f"down: {', '.join(down)}".lower() if down else "",
                expected="a heartbeat every minute",
                why="Without it, nothing runs automatically: no schedule, no late file, no retry, no notification.",
                next_step="Start it again: kpi dev, or what runs it in production",
                runbook="docs/operations.md#the-daemon-is-down",
            ),
        ),
        published_as_of=published_as_of(settings.published_dir),
    )


def end_dead_runs(instance: dg.DagsterInstance, settings: Settings, *, is_the_writer: bool = False) -> list[str]:
    """Mark runs as failed if their process no longer exists, and return their ids.

    Such a run, left by a killed `kpi run` or by a machine that went down, would keep all other runs in the queue.

    The processes of other hosts cannot be looked at. Of hosts that share a database, a `kpi run` is the writer of the
    warehouse as long as it lives, so it is gone if this process `is_the_writer`. Whoever started the other runs there
    knows about them: Dagster's daemon asks the run launcher.
    """
    ended = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=_UNDER_WAY)):
        run = record.dagster_run
        host = run.tags.get(HOST, "" if settings.database_env else gethostname())
        if host == gethostname():
            process = _process_of(instance, run.run_id)
            # In a container, every run has the same number: no other run of this process can be in progress.
            is_gone = process is not None and (process == os.getpid() or not is_alive(process))
            gone = f"The process of this run ({process}) is gone." if is_gone else ""
        else:
            gone = f"The process of this run on {host} is gone." if host and is_the_writer else ""
        if gone:
            instance.report_run_failed(run, gone)
            ended.append(run.run_id)
    return ended


def finished_runs(instance: dg.DagsterInstance, since: datetime) -> Iterator[str]:
    """The ids of runs that succeeded or failed after `since`, in the order in which they ended."""
    ended = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE], updated_after=since)
    records = instance.get_run_records(ended)
    for record in sorted(records, key=lambda record: (record.update_timestamp, record.storage_id)):
        yield record.dagster_run.run_id


def _of_runs_under_way(instance: dg.DagsterInstance, watch: Watch, now: datetime) -> Iterator[Finding]:
    silent = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=_UNDER_WAY)):
        run_id = record.dagster_run.run_id
        last = instance.get_records_for_run(run_id, limit=1, ascending=False).records
        minutes = (now.timestamp() - last[0].event_log_entry.timestamp) / 60 if last else 0
        if minutes >= watch.silent_after_minutes:
            silent.append(f"run {run_id[:8]} has logged nothing for {minutes:.0f} min")
    yield Finding(
        asset=RUN,
        check="silent",
        severity="critical",
        passed=not silent,
        blocking=True,
        message="; ".join(silent) or "every run in progress logs something",
        expected=f"a log entry at least every {watch.silent_after_minutes} minutes",
        why="While it hangs, no other run starts.",
        next_step="Look at its log in the UI; terminate it there, and run the day again: kpi run --date DAY",
        runbook="docs/operations.md#a-run-hangs",
    )


def _of_the_landing_folder(settings: Settings, source: Source) -> Iterator[Finding]:
    """Files of a source that no run will ever read."""
    files = unclaimed_files(settings, [source])
    yield Finding(
        asset=f"landing/{source.name}",
        check="unclaimed_files",
        severity="warning",
        passed=not files,
        message=f"no run will read {listed(files, 5)}" if files else "every file belongs to a table",
        expected="names as in the source's YAML, days since first_delivery",
        owner=source.owner,
        why="A file that was delivered under another name is missing in every KPI.",
        next_step="Rename the files, correct `path` in the source's YAML, or move them out of the landing folder",
        runbook="docs/operations.md#files-that-nobody-reads",
        tags=("landing", source.name),
    )


def _of_what_is_expected(
    instance: dg.DagsterInstance, settings: Settings, sources: Sequence[Source], watch: Watch, now: datetime
) -> Iterator[Finding]:
    """Late deliveries, a day without a run and old numbers, as far as they can be judged yet.

    If no daily run is expected, all of them pass, so that no incident outlives the schedule that it is about.
    """
    day = newest_day(settings, now)
    idle = "" if run_is_expected(settings, _switch(instance)) else _NOBODY_WAITS
    if idle or day >= settings.first_delivery:
        yield from _watched("published/kpi", partial(_of_what_is_published, settings, day, watch, idle))
    ended = f"no delivery is expected after {day} (setting last_delivery)" if has_ended(settings, now) else ""
    for source, name, _ in each_table(sources):
        of_table = partial(_of_a_delivery, settings, source, name, day, now, idle or ended)
        yield from _watched("/".join(TableRef(source.name, name).asset), of_table, source)
    if idle or ended:
        yield _of_the_schedule(settings, watch, day, True, idle or ended)
    elif is_awaited(settings, now) and local(settings, now).time() >= watch.run_due:
        ran = _has_run(instance, settings, day)
        yield _of_the_schedule(settings, watch, day, ran, f"delivery day {day} has {'a' if ran else 'no'} run")


def _of_a_delivery(
    settings: Settings, source: Source, table: str, day: date, now: datetime, nobody_waits: str
) -> Iterator[Finding]:
    """Whether a table's delivery has arrived, once its source's `sla` has passed."""
    if nobody_waits:
        if source.is_asked or source.tables[table].empty_day == "allowed":
            return
        is_here, said = True, nobody_waits
    else:
        due = due_delivery(settings, source, table, now)
        if due is None:
            return
        is_here = due.is_here
        said = f"the delivery of {day} has {'' if is_here else 'not '}arrived"
    path = source.tables[table].path.format(delivered_on=day)
    yield Finding(
        asset="/".join(TableRef(source.name, table).asset),
        check="late",
        severity="warning",
        passed=is_here,
        message=said,
        expected=f"here by {source.sla} ({settings.time_zone})",
        owner=source.owner,
        why="Without it, the day's run will fail.",
        next_step=f"Ask whoever delivers it, and put it at {path} in the landing folder",
        runbook="docs/operations.md#delivery-missing-or-small",
        tags=("raw", source.name),
        deliveries=(str(day),),
    )


def _of_the_schedule(settings: Settings, watch: Watch, day: date, ran: bool, said: str) -> Finding:
    """Whether a delivery day has a run, once the run is due."""
    return Finding(
        asset=f"job/{JOB}",
        check="missed_schedule",
        severity="critical",
        passed=ran,
        blocking=True,
        message=said,
        expected=f"a run by {watch.run_due:%H:%M} ({settings.time_zone})",
        why="Analysts keep reading older numbers.",
        next_step=f"Check whether whatever starts the daily run is up (kpi status), then: kpi run --date {day}",
        runbook="docs/operations.md#a-day-was-not-run",
        deliveries=(str(day),),
    )


def _has_run(instance: dg.DagsterInstance, settings: Settings, day: date) -> bool:
    since = datetime.combine(day, time(), ZoneInfo(settings.time_zone)).astimezone(UTC)
    records = instance.get_run_records(dg.RunsFilter(created_after=since))
    return any(str(day) in days_of(record.dagster_run) for record in records)


def _of_what_is_published(settings: Settings, newest: date, watch: Watch, idle: str) -> Iterator[Finding]:
    """Whether what analysts read is old or missing, regardless of when it was built."""
    as_of = published_as_of(settings.published_dir)
    behind = (newest - as_of).days if as_of else None
    numbers = f"published numbers are as of {as_of}, {behind} days behind {newest}" if as_of else "nothing is published"
    yield Finding(
        asset="published/kpi",
        check="stale",
        severity="critical",
        passed=bool(idle) or (behind is not None and behind <= watch.stale_after_days),
        blocking=False,
        message=idle or numbers,
        observed="" if behind is None else f"{behind} days behind",
        expected=f"at most {watch.stale_after_days} days behind",
        why="Readers assume that they are today's.",
        next_step="See what blocked the last runs: kpi status",
        runbook="docs/operations.md#published-numbers-are-old",
    )


def _switch(instance: dg.DagsterInstance) -> bool | None:
    """The position of the schedule's switch in the UI; None if nobody has used it."""
    for state in instance.all_instigator_state():
        if state.name == SCHEDULE and state.status.value in ("RUNNING", "STOPPED"):
            return bool(state.status.value == "RUNNING")
    return None


def _process_of(instance: dg.DagsterInstance, run_id: str) -> int | None:
    """The process that executes a run, as the executor reports when it starts; None before that."""
    for record in instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records:
        event = record.event_log_entry.dagster_event
        named = re.search(r"\(pid: (\d+)\)", event.message or "") if event else None
        if named:
            return int(named[1])
    return None
