"""What the Dagster daemon does for alerts: it reports every run that ends, looks for problems, and sends what is due.

Belongs here: sensors, and the watchdog that needs no daemon.
Does not belong here: what is reported (`run_report.py`, `watching.py`), and the effect of reports (`service.py`).

Nothing here raises: what cannot be reported now is logged, and reported at a later look.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import dagster as dg

from pipelines.alerts.outbox import Flushed
from pipelines.alerts.reports import Report
from pipelines.alerts.routes import load_alerts
from pipelines.alerts.run_report import Suites, report_of_run
from pipelines.alerts.service import AlertService, report_safely, tick_safely
from pipelines.alerts.watching import end_dead_runs, finished_runs, look, look_at_daemon
from pipelines.publish.asset_checks import report_standing
from pipelines.settings import Settings
from pipelines.sources import Source

_LOOK_BACK = timedelta(days=3)  # runs that ended while no sensor looked are reported at the next look

logger = logging.getLogger("pipelines.alerts")


def alert_sensors(
    settings: Settings, sources: Sequence[Source], suites: Suites, tick_seconds: int = 30
) -> list[dg.SensorDefinition]:
    """Sensors that report every run when it ends, and a sensor for problems that no run can report."""

    def notify(context: dg.RunStatusSensorContext) -> None:
        notify_of_runs(context.instance, settings, suites)

    @dg.sensor(
        name="alert_watch",
        minimum_interval_seconds=tick_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Notices what no run can report: late deliveries, a missed day, a dead run, outdated numbers.",
    )
    def alert_watch(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        watch_once(context.instance, settings, sources, suites)
        return dg.SkipReason("Finished looking; notifications are on their way.")

    return [
        dg.run_status_sensor(
            run_status=status,
            name=f"alerts_after_{status.value.lower()}",
            minimum_interval_seconds=tick_seconds,
            description="Opens and resolves incidents according to the run's checks and steps, and notifies people.",
            default_status=dg.DefaultSensorStatus.RUNNING,
        )(notify)
        for status in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)
    ] + [alert_watch]


def notify_of_runs(
    instance: dg.DagsterInstance, settings: Settings, suites: Suites, *looks: Callable[[], Report]
) -> Flushed | None:
    """Report finished runs that have not been reported, in the order in which they ended, and `looks`; then send.

    Returns:
        The result of sending what is due; None if anything failed, which is logged.
    """
    now = datetime.now(UTC)
    seen, all_looked = _made(looks)  # first, because a look ends runs that died
    of_runs, all_read = _made(_unreported(instance, settings, suites, now))
    ingested = [report_safely(settings, report, now) for report in (*of_runs, *seen)]
    complete = all_looked and all_read and all(ingested)
    flushed = tick_safely(settings, now)
    return flushed if complete else None


def watch_once(
    instance: dg.DagsterInstance,
    settings: Settings,
    sources: Sequence[Source],
    suites: Suites,
    *looks: Callable[[], Report],
) -> Flushed | None:
    """End runs that died, look for problems, and report what this look, `looks` and runs found.

    Returns:
        The same as `notify_of_runs`.
    """

    def look_around() -> Report:
        end_dead_runs(instance, settings)
        return look(instance, settings, sources, load_alerts(settings.alerts_file).watch, datetime.now(UTC))

    return notify_of_runs(instance, settings, suites, look_around, *looks)


def _made(makers: Iterable[Callable[[], Report]]) -> tuple[list[Report], bool]:
    """The reports that could be made, and whether all of them could."""
    reports: list[Report] = []
    complete = True
    for make in makers:
        try:
            reports.append(make())
        except Exception as error:  # any error: it must not prevent the other reports
            logger.error("A report could not be made: %s", type(error).__name__)
            complete = False
    return reports, complete


def _unreported(
    instance: dg.DagsterInstance, settings: Settings, suites: Suites, now: datetime
) -> list[Callable[[], Report]]:
    """Functions that make the reports of runs that ended recently and have not been reported."""
    try:
        service = AlertService.of(settings)
        runs = [run for run in finished_runs(instance, now - _LOOK_BACK) if not service.has_ingested(run)]
    except Exception as error:  # `report_safely` says more about a store or file that cannot be read
        logger.error("Could not determine which runs were reported: %s", type(error).__name__)
        return []
    return [partial(report_of_run, instance, run, suites, settings) for run in runs]


def watchdog(settings: Settings, sources: Sequence[Source], suites: Suites) -> list[str]:
    """Look for problems without a daemon, and check that the daemon is up; return a line for each problem."""
    service = AlertService.of(settings)
    with dg.DagsterInstance.get() as instance:
        daemon = partial(look_at_daemon, instance, settings, datetime.now(UTC))
        flushed = watch_once(instance, settings, sources, suites, daemon)
        try:
            report_standing(instance, settings, sources)
        except Exception as error:  # an error in the UI's checks must not prevent notifications
            logger.error("The checks of published/kpi could not be updated: %s", type(error).__name__)
    if flushed is None:
        return ["Looking for problems or sending notifications failed; see the messages above."]
    with service.store.transaction() as transaction:
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
