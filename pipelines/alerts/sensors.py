"""What the Dagster daemon does for the alerts: it reports every run that ends, looks around, and sends what is due.

Belongs here: sensors, and the watchdog that needs no daemon.
Does not belong here: what is reported (`runs.py`, `watching.py`), and what becomes of it (`desk.py`).

Nothing here raises: what cannot be told now is in the log, and told at a later look.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import dagster as dg

from pipelines.alerts.desk import Desk, report_safely, tend_safely
from pipelines.alerts.outbox import Flushed
from pipelines.alerts.reports import Report
from pipelines.alerts.routes import load_alerts
from pipelines.alerts.runs import Suites, report_of_run
from pipelines.alerts.watching import end_dead_runs, finished_runs, look, look_at_daemon
from pipelines.settings import Settings
from pipelines.sources import Source

_LOOK_BACK = timedelta(days=3)  # what ended while nobody looked is reported when somebody looks again

logger = logging.getLogger("pipelines.alerts")


def alert_sensors(
    settings: Settings, sources: Sequence[Source], suites: Suites, tick_seconds: int = 30
) -> list[dg.SensorDefinition]:
    """Sensors that report every run as it ends, and one that sees what no run tells."""

    def tell(context: dg.RunStatusSensorContext) -> None:
        tell_of_runs(context.instance, settings, suites)

    @dg.sensor(
        name="alert_watch",
        minimum_interval_seconds=tick_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sees what no run tells: late deliveries, a missed day, a run that died or hangs, old numbers.",
    )
    def alert_watch(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        watch_once(context.instance, settings, sources, suites)
        return dg.SkipReason("Looked around; what there was to tell is on its way.")

    return [
        dg.run_status_sensor(
            run_status=status,
            name=f"alerts_after_{status.value.lower()}",
            minimum_interval_seconds=tick_seconds,
            description="Opens and ends incidents by what the run's checks and steps found, and tells people.",
            default_status=dg.DefaultSensorStatus.RUNNING,
        )(tell)
        for status in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)
    ] + [alert_watch]


def tell_of_runs(
    instance: dg.DagsterInstance, settings: Settings, suites: Suites, *looks: Callable[[], Report]
) -> Flushed | None:
    """Report the finished runs that nobody reported, in the order they ended, and `looks`; then send what is due.

    Returns:
        What came of sending; None if something could not be done, which is in the log.
    """
    now = datetime.now(UTC)
    seen, all_looked = _made(looks)  # first, since a look ends runs that died
    of_runs, all_read = _made(_unreported(instance, settings, suites, now))
    told = [report_safely(settings, report, now) for report in (*of_runs, *seen)]
    complete = all_looked and all_read and all(told)
    flushed = tend_safely(settings, now)
    return flushed if complete else None


def watch_once(
    instance: dg.DagsterInstance,
    settings: Settings,
    sources: Sequence[Source],
    suites: Suites,
    *looks: Callable[[], Report],
) -> Flushed | None:
    """End runs that died, look around, and tell what was seen, what `looks` see and what runs found.

    Returns:
        As `tell_of_runs`.
    """

    def look_around() -> Report:
        end_dead_runs(instance)
        return look(instance, settings, sources, load_alerts(settings.alerts_file).watch, datetime.now(UTC))

    return tell_of_runs(instance, settings, suites, look_around, *looks)


def _made(makers: Iterable[Callable[[], Report]]) -> tuple[list[Report], bool]:
    """The reports that could be made, and whether all could."""
    reports: list[Report] = []
    complete = True
    for make in makers:
        try:
            reports.append(make())
        except Exception as error:  # whatever it is, it must not keep the other reports from being made
            logger.error("A report could not be made: %s", type(error).__name__)
            complete = False
    return reports, complete


def _unreported(
    instance: dg.DagsterInstance, settings: Settings, suites: Suites, now: datetime
) -> list[Callable[[], Report]]:
    """What makes the reports of the runs that ended lately and were not reported."""
    try:
        desk = Desk.of(settings)
        runs = [run for run in finished_runs(instance, now - _LOOK_BACK) if not desk.has_taken(run)]
    except Exception as error:  # of a store or a file that cannot be read `report_safely` says more
        logger.error("Nobody could see which runs were reported: %s", type(error).__name__)
        return []
    return [partial(report_of_run, instance, run, suites, settings) for run in runs]


def watchdog(settings: Settings, sources: Sequence[Source], suites: Suites) -> list[str]:
    """Look around without a daemon, and for one; returns what is wrong, a line each."""
    desk = Desk.of(settings)
    with dg.DagsterInstance.get() as instance:
        daemon = partial(look_at_daemon, instance, settings, datetime.now(UTC))
        flushed = watch_once(instance, settings, sources, suites, daemon)
    if flushed is None:
        return ["It was not possible to look around or to send; see the messages above."]
    with desk.store.transaction() as transaction:
        wrong = [
            f"{incident.severity}  {incident.title}: {incident.finding.message}"
            for incident in transaction.incidents()
            if incident.severity == "critical" and incident.state not in ("acknowledged", "muted")
        ]
        wrong += [
            f"dead letter  {notice.channel}: {notice.content['subject']}: {notice.last_error}"
            for notice in transaction.notices("dead")
        ]
    return wrong
