"""Which suite guards which asset.

Belongs here: joining assets and suites, and the suites of delivered tables for which nobody wrote one: a source must
not go unchecked because its suite is missing.
Does not belong here: what a suite is and how it runs (`quality/`).
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from functools import partial
from typing import Any

import dagster as dg

from pipelines.ingest.assets import raw_key
from pipelines.ingest.landing import raw_file
from pipelines.ingest.readers import PROVENANCE
from pipelines.quality.asset_checks import asset_checks
from pipelines.quality.data_docs import build_data_docs
from pipelines.quality.history import CheckHistory
from pipelines.quality.relations import DuckDBTable, ParquetFiles
from pipelines.quality.suites import ExpectationSpec, Suite
from pipelines.settings import PROJECT_DIR, Settings
from pipelines.sources import Rejects, Source, Table, each_table

Suites = Mapping[tuple[str, str], Suite]


def complete_suites(written: Suites, sources: Iterable[Source]) -> dict[tuple[str, str], Suite]:
    """The suites people wrote, and default ones for delivered tables that have none."""
    suites = dict(written)
    for source, name, table in each_table(sources):
        for suite in (_default_raw_suite(source, name, table), _default_base_suite(source, name, table)):
            suites.setdefault((suite.stage, suite.name), suite)
    return suites


def checks_of_raw(
    settings: Settings,
    sources: Iterable[Source],
    suites: Suites,
    history: CheckHistory,
    partitions: dg.DailyPartitionsDefinition,
) -> list[dg.AssetChecksDefinition]:
    """The checks of every delivered table, on the delivery days of the run."""
    return [
        _raw_checks(settings, suites["raw", f"{source.name}__{name}"], source.name, name, history, partitions)
        for source, name, _ in each_table(sources)
    ]


def checks_of_models(
    settings: Settings, models: Mapping[str, Iterable[str]], suites: Suites, history: CheckHistory
) -> list[dg.AssetChecksDefinition]:
    """The checks of the warehouse's tables, over all they hold. `models`: the tables of each schema."""
    return [
        asset_checks(
            suites[schema, table],
            dg.AssetKey([schema, table]),
            partial(_whole_table, DuckDBTable(settings.warehouse_path, schema, table)),
            history=history,
            docs_folder=settings.data_docs_dir,
            docs_url=settings.data_docs_url,
        )
        for schema, tables in models.items()
        for table in tables
        if (schema, table) in suites
    ]


def data_docs_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Build Data Docs once after each run that the UI or the schedule started, whether it succeeded or not."""

    def build(context: dg.RunStatusSensorContext) -> None:
        index = build_data_docs(settings.data_docs_dir)
        context.log.info(f"Data Docs: {index}")

    return [
        dg.run_status_sensor(
            run_status=status,
            name=f"data_docs_after_{status.value.lower()}",
            description="Builds the pages of the run's check results.",
            default_status=dg.DefaultSensorStatus.RUNNING,
        )(build)
        for status in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)
    ]


def blocking(checks: Iterable[dg.AssetChecksDefinition], suites: Suites) -> list[tuple[str, str, str]]:
    """(stage, table, check) of every critical check among `checks`."""
    names = {key.asset_key for check in checks for key in check.check_keys}
    return [
        (suite.stage, suite.name, spec.name)
        for suite in suites.values()
        if _asset_key(suite) in names
        for spec in suite.checks
        if spec.severity == "critical"
    ]


def _whole_table(table: DuckDBTable, _: dg.AssetCheckExecutionContext) -> DuckDBTable:
    return table


def _asset_key(suite: Suite) -> dg.AssetKey:
    return raw_key(*suite.name.split("__", 1)) if suite.stage == "raw" else dg.AssetKey([suite.stage, suite.name])


def _raw_checks(
    settings: Settings,
    suite: Suite,
    source: str,
    table: str,
    history: CheckHistory,
    partitions: dg.DailyPartitionsDefinition,
) -> dg.AssetChecksDefinition:
    def delivered(context: dg.AssetCheckExecutionContext) -> ParquetFiles:
        days = map(date.fromisoformat, context.partition_keys)
        return ParquetFiles(tuple(raw_file(settings.raw_dir, source, table, day) for day in days))

    return asset_checks(
        suite,
        raw_key(source, table),
        delivered,
        history=history,
        docs_folder=settings.data_docs_dir,
        docs_url=settings.data_docs_url,
    )


def _default_raw_suite(source: Source, name: str, table: Table) -> Suite:
    return Suite(
        stage="raw",
        name=f"{source.name}__{name}",
        path=PROJECT_DIR / "pipelines" / "checks.py",
        owner=source.owner,
        description=table.description,
        allow_empty=table.empty_day == "allowed",
        personal_columns=table.personal_columns,
        expectations=[
            *(_rows_have_key(column, source.rejects) for column in table.key),
            _expectation(
                "expect_table_columns_to_match_set",
                {"column_set": sorted({*table.columns, *table.optional_columns, *PROVENANCE}), "exact_match": True},
                "warning",
                "A new column lands, but nobody uses it: declare it in the source's YAML, and map it if it matters.",
                name="no_new_columns",
            ),
        ],
    )


def _rows_have_key(column: str, rejects: Rejects) -> ExpectationSpec:
    """Rows that cannot be told apart into cells have no key either; they count among the unreadable ones."""
    name = column.replace('"', '""')
    return _expectation(
        "unexpected_rows_expectation",
        {
            "unexpected_rows_query": f"""
                select _source_file, _row_number, "{name}" from {{batch}}
                where _problem is null and "{name}" is null
                qualify count(*) over ()
                    >= greatest({rejects.at_least}, {rejects.block} * (select count(*) from {{batch}}))
            """
        },
        "critical",
        f"Without {column} a row cannot be told from another, nor corrected later.",
        name=f"{re.sub('[^a-z0-9]+', '_', column.lower()).strip('_') or 'key'}_not_null",
    )


def _default_base_suite(source: Source, name: str, table: Table) -> Suite:
    rejects = source.rejects
    list_them = f"kpi quarantine list --source {source.name} --table {name}"
    return Suite(
        stage="staging",
        name=f"base_{source.name}__{name}",
        path=PROJECT_DIR / "pipelines" / "checks.py",
        owner=source.owner,
        description=f"Every delivered row of {source.name}.{name}, typed.",
        expectations=[
            _unexpected_rows(
                "rows_are_readable",
                "warning",
                _unreadable_share(rejects.warn, rejects.at_least),
                f"{rejects.warn:.0%} of a delivery or more is in quarantine; the KPIs lack those rows until repaired.",
                list_them,
            ),
            _unexpected_rows(
                "most_rows_are_readable",
                "critical",
                _unreadable_share(rejects.block, rejects.at_least),
                f"{rejects.block:.0%} of a delivery or more cannot be read: it is broken, or its format has changed.",
                list_them,
            ),
        ],
    )


def _unreadable_share(share: float, at_least: int) -> str:
    return (
        "select _delivered_on, count(_reject_reason) as unreadable_rows, count(*) as delivered_rows from {batch} "
        f"group by 1 having count(_reject_reason) >= {share} * count(*) and count(_reject_reason) >= {at_least}"
    )


def _unexpected_rows(name: str, severity: str, query: str, why: str, next_step: str) -> ExpectationSpec:
    kwargs = {"unexpected_rows_query": query}
    return _expectation("unexpected_rows_expectation", kwargs, severity, why, name, next_step)


def _expectation(
    kind: str, kwargs: dict[str, Any], severity: str, why: str, name: str = "", next_step: str | None = None
) -> ExpectationSpec:
    return ExpectationSpec.model_validate(
        {"type": kind, "name": name, "severity": severity, "kwargs": kwargs, "why": why, "next_step": next_step}
    )
