"""The whole pipeline on one page: what Dagster loads. Nothing is computed here."""

from datetime import date

import dagster as dg

from pipelines.ingest.assets import raw_assets, raw_key
from pipelines.ingest.landing import raw_file
from pipelines.partitions import delivery_days
from pipelines.progress import step_logger
from pipelines.publish.assets import published_asset
from pipelines.quality.asset_checks import asset_checks
from pipelines.quality.history import CheckHistory
from pipelines.quality.relations import DuckDBTable, ParquetFiles
from pipelines.quality.suites import Suite, load_suites
from pipelines.settings import PROJECT_DIR, get_settings
from pipelines.sources import each_table, load_sources
from pipelines.transform.assets import dbt_resource, model_assets, models_in_schema
from pipelines.transform.project import ensure_manifest

settings = get_settings()
sources = load_sources(settings.sources, settings.company_dir)
partitions = delivery_days(settings)
manifest = ensure_manifest(settings, sources)
history = CheckHistory(settings.check_history_path)
suites = load_suites(PROJECT_DIR / "expectations", settings.company_dir / "expectations")


def raw_checks(suite: Suite, source: str, table: str) -> dg.AssetChecksDefinition:
    """The checks of a delivered table, on the delivery days of the run."""

    def delivered(context: dg.AssetCheckExecutionContext) -> ParquetFiles:
        days = map(date.fromisoformat, context.partition_keys)
        return ParquetFiles(tuple(raw_file(settings.raw_dir, source, table, day) for day in days))

    return asset_checks(
        suite,
        raw_key(source, table),
        delivered,
        history=history,
        docs_folder=settings.data_docs_dir,
        partitions_def=partitions,
    )


def model_checks(suite: Suite, schema: str, table: str) -> dg.AssetChecksDefinition:
    """The checks of a table in the warehouse, over all it holds."""
    relation = DuckDBTable(settings.warehouse_path, schema, table)
    return asset_checks(
        suite,
        dg.AssetKey([schema, table]),
        lambda _: relation,
        history=history,
        docs_folder=settings.data_docs_dir,
    )


mart_tables = models_in_schema(manifest, "marts")
raw_suites = [
    (suite, source.name, name)
    for source, name, _ in each_table(sources)
    if (suite := suites.get(("raw", f"{source.name}__{name}")))
]
model_suites = [
    (suite, schema, table)
    for schema in ("staging", "marts")
    for table in models_in_schema(manifest, schema)
    if (suite := suites.get((schema, table)))
]
blocking_checks = [
    (suite.stage, suite.name, check.name)
    for suite, *_ in [*raw_suites, *model_suites]
    for check in suite.checks
    if check.severity == "critical"
]

daily_job = dg.define_asset_job(
    "daily",
    selection="*",
    partitions_def=partitions,
    description="Lands one delivery day, brings staging and marts up to date, checks every stage, publishes.",
)
daily_schedule = dg.build_schedule_from_partitioned_job(
    daily_job,
    name="daily_at_ten",
    hour_of_day=10,
    minute_of_hour=30,
    default_status=dg.DefaultScheduleStatus.RUNNING
    if settings.policy.schedule_running
    else dg.DefaultScheduleStatus.STOPPED,
)

defs = dg.Definitions(
    assets=[
        *raw_assets(settings, sources, partitions),
        *model_assets(settings, sources, manifest),
        published_asset(settings, sources, mart_tables, blocking_checks, history),
    ],
    asset_checks=[
        *(raw_checks(*suite) for suite in raw_suites),
        *(model_checks(*suite) for suite in model_suites),
    ],
    jobs=[daily_job],
    schedules=[daily_schedule],
    loggers={"console": step_logger},
    resources={"dbt": dbt_resource(settings)},
    executor=dg.in_process_executor,  # one process: DuckDB has one writer, and a process per step costs five times as much
)
