"""The whole pipeline on one page, as Dagster loads it. This module computes nothing."""

import warnings
from functools import partial

import dagster as dg

from pipelines.alerts.routes import load_alerts
from pipelines.alerts.sensors import alert_sensors
from pipelines.checks.assets import Suites, blocking, checks_of_tables, data_docs_sensors, load_all_suites
from pipelines.checks.history import CheckHistory
from pipelines.holidays import public_holidays
from pipelines.ingest.assets import raw_assets
from pipelines.ingest.late_files import late_files_sensor, newest_delivery
from pipelines.operations.housekeeping import housekeeping_sensor
from pipelines.operations.repair import ready_for_a_run
from pipelines.partitions import delivery_days
from pipelines.publish.annotations import Marking
from pipelines.publish.asset_checks import published_checks, standing_sensor
from pipelines.publish.assets import published_asset
from pipelines.publish.basis import basis
from pipelines.publish.copy_assets import copy_assets
from pipelines.publish.reports import reports_asset
from pipelines.runs.history import JOB, SCHEDULE
from pipelines.runs.progress import step_logger
from pipelines.settings import Settings, get_settings
from pipelines.sources import Source, enabled_sources
from pipelines.transform.assets import blocking_tests, model_assets, models_in_schema
from pipelines.transform.descriptions import descriptions_of_models
from pipelines.transform.project import ensure_manifest

for category in (dg.BetaWarning, dg.PreviewWarning):  # we pin the minor whose new features we use
    warnings.filterwarnings("ignore", category=category)


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions that Dagster loads."""
    settings = get_settings()
    sources = enabled_sources(settings)
    return build_definitions(settings, sources, load_all_suites(settings, sources))


def build_definitions(settings: Settings, sources: list[Source], suites: Suites) -> dg.Definitions:
    """The whole pipeline of an installation.

    Raises:
        ConfigError: alerts, holidays, events or models are invalid; the message says why.
    """
    load_alerts(settings.alerts_file)  # an invalid file must be noticed before it is needed
    public_holidays(settings)  # and so must a country whose holidays are not known
    partitions = delivery_days(settings, newest_delivery(settings, sources))
    manifest = ensure_manifest(settings, sources)
    models = {schema: models_in_schema(manifest, schema) for schema in ("staging", "marts")}
    history = CheckHistory(settings.check_history_path, database=settings.database_url)
    is_daemon = settings.started_by == "daemon"

    transform = model_assets(settings, sources, manifest, suites, partial(ready_for_a_run, settings))
    checks = checks_of_tables(settings, sources, models, suites, history)
    published = published_asset(
        settings,
        sources,
        models["marts"],
        blocking(checks, suites),
        history,
        blocking_tests(transform),
        descriptions_of_models(manifest),
        partial(basis, settings, sources, manifest),
        Marking.of(settings, sources, manifest),
    )
    copies = copy_assets(settings, sources)
    daily_job = dg.define_asset_job(
        JOB,
        partitions_def=partitions,
        description="Lands one delivery day, brings staging and marts up to date, checks every stage, publishes.",
    )
    daily_schedule = dg.build_schedule_from_partitioned_job(
        daily_job,
        name=SCHEDULE,
        hour_of_day=10,
        minute_of_hour=30,
        default_status=dg.DefaultScheduleStatus.RUNNING if is_daemon else dg.DefaultScheduleStatus.STOPPED,
    )
    return dg.Definitions(
        assets=[*raw_assets(settings, sources, partitions), *transform, published, reports_asset(settings), *copies],
        asset_checks=[*checks, published_checks(settings, sources)],
        jobs=[daily_job],
        schedules=[daily_schedule],
        sensors=[
            *data_docs_sensors(settings, suites),
            *alert_sensors(settings, sources, suites),
            standing_sensor(settings, sources),
            late_files_sensor(settings, sources, JOB, running=is_daemon),
            housekeeping_sensor(settings),
        ],
        loggers={"steps": step_logger},
        # One process: DuckDB has one writer, and a process per step costs five times as much.
        executor=dg.in_process_executor,
    )
