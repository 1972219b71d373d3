"""Assigns suites to assets.

Belongs here: joining assets and suites, and locating the table that a suite is about.
Does not belong here: what a suite is and how it runs (`suites.py`, `gx/`), the suites of sources
(`source_suites.py`), and what tables are compared with (`baselines.py`).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import dagster as dg

from pipelines.alerts.run_report import days_of, report_of_run
from pipelines.checks.anomalies import DAYS_OFF, DELIVERED_MONTHS, DELIVERIES, PUBLISHED_MONTHS
from pipelines.checks.asset_checks import asset_checks
from pipelines.checks.baselines import days_off, delivered_months, deliveries, published_months, views_for
from pipelines.checks.content import content_of, validate_if_changed
from pipelines.checks.data_docs.build import Outcome, build_data_docs, store_outcome
from pipelines.checks.data_docs.pages import write_pages
from pipelines.checks.gx.relations import DuckDBTable, ParquetFiles
from pipelines.checks.history import CheckHistory
from pipelines.checks.results import CheckResult
from pipelines.checks.source_suites import suites_of
from pipelines.checks.suites import Suite, load_suites
from pipelines.checks.validation import validate
from pipelines.checks.written_currencies import naming_written_currencies
from pipelines.config_files import ConfigError
from pipelines.deliveries.judging import Judged, judge_landed, judge_logged
from pipelines.deliveries.proof import loads_of_log
from pipelines.deliveries.standing import Standing
from pipelines.runs.code_location import STARTED_BY
from pipelines.settings import PROJECT_DIR, Settings
from pipelines.sources import OWNER, Source, each_table
from pipelines.tables import RAW, STAGING, TableRef, asset_of_suite, raw_file
from pipelines.transform.unchanged import versions_of_tables

Suites = Mapping[tuple[str, str], Suite]


def load_all_suites(settings: Settings, sources: Sequence[Source]) -> dict[tuple[str, str], Suite]:
    """The suites of an installation: shipped suites, its own suites, and those derived from its sources.

    Raises:
        ConfigError: a suite's file is invalid; the message names file and line.
    """
    written = load_suites(PROJECT_DIR / "expectations", settings.company_dir / "expectations")
    return naming_written_currencies(complete_suites(written, sources), settings, sources)


def complete_suites(written: Suites, sources: Iterable[Source]) -> dict[tuple[str, str], Suite]:
    """The suites that people wrote, and those derived from the sources for delivered tables that have no suite or whose
    suite extends the derived one.
    """
    suites = dict(written)
    for source, name, table in each_table(sources):
        for suite in suites_of(source, name, table):
            key = (suite.stage, suite.name)
            own = suites.get(key)
            if own is None:
                suites[key] = suite
            elif own.shipped_suite == "extended":
                suites[key] = suite.extended_by(own)
    return suites


def owners_of_models(suites: Suites) -> dict[tuple[str, str], str]:
    """The owner of each model that has a suite, by (layer, model): the owner of the suite.

    Raises:
        ConfigError: an owner is neither a team nor an e-mail address; the message names the suite's file.
    """
    owners = {}
    for key, suite in suites.items():
        if not re.fullmatch(OWNER, suite.owner):
            raise ConfigError(
                f"{suite.path}: owner {suite.owner!r} is neither a team nor an e-mail address. "
                "Write it like team:sales or anna@example.org."
            )
        owners[key] = suite.owner
    return owners


def checks_of_tables(
    settings: Settings,
    sources: Iterable[Source],
    models: Mapping[str, Iterable[str]],
    suites: Suites,
    history: CheckHistory,
) -> list[dg.AssetChecksDefinition]:
    """The checks of all tables that have a suite. `models` are the tables of each schema of the warehouse.

    Those of a delivered table are for the delivery days of the run and for all that have not passed; those of a table
    of the warehouse are over all its rows.
    """
    sources = list(sources)
    of_raw = [
        _raw_checks(settings, suites[TableRef(source.name, name).suite], source, name, history)
        for source, name, _ in each_table(sources)
    ]
    of_models = [
        _model_checks(settings, sources, suites[schema, table], history)
        for schema, tables in models.items()
        for table in tables
        if (schema, table) in suites
    ]
    return of_raw + of_models


def data_docs_sensors(settings: Settings, suites: Suites) -> list[dg.SensorDefinition]:
    """Build Data Docs once after each run that the UI or the schedule started, whether it succeeded or not.

    `kpi run` builds them itself, so that they exist when it ends.
    """

    def build(context: dg.RunStatusSensorContext) -> None:
        run = context.dagster_run
        if STARTED_BY in run.tags:
            return
        failed = run.status is dg.DagsterRunStatus.FAILURE
        reasons = report_of_run(context.instance, run.run_id, suites, settings).blocked_by if failed else []
        context.log.info(f"Data Docs: {build_docs_of_run(settings, run, reasons)}")

    return [
        dg.run_status_sensor(
            run_status=status,
            name=f"data_docs_after_{status.value.lower()}",
            description="Builds the pages of the run's check results.",
            default_status=dg.DefaultSensorStatus.RUNNING,
        )(build)
        for status in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)
    ]


def build_docs_of_run(settings: Settings, run: dg.DagsterRun, reasons: Sequence[str]) -> Path:
    """Build Data Docs after `run`, which has just ended, with the `reasons` of a failure; return the first page."""
    days = days_of(run)
    outcome = Outcome(
        run_id=run.run_id,
        ended_at=datetime.now(UTC),
        failed=run.status is dg.DagsterRunStatus.FAILURE,
        days=f"delivery day {days[0]}"
        if len(days) == 1
        else f"delivery days {days[0]} to {days[-1]}"
        if days
        else "no day",
        reasons=tuple(reasons),
    )
    store_outcome(settings.data_docs_dir, outcome)
    write_pages(settings.data_docs_dir / "site")
    return build_data_docs(settings.data_docs_dir)


def blocking(checks: Iterable[dg.AssetChecksDefinition], suites: Suites) -> list[tuple[str, str, str]]:
    """(stage, table, check) of every critical check among `checks`, except in raw, where deliveries have verdicts."""
    names = {key.asset_key for check in checks for key in check.check_keys}
    return [
        (suite.stage, suite.name, spec.name)
        for suite in suites.values()
        if suite.stage != RAW and _asset_key(suite) in names
        for spec in suite.checks
        if spec.severity == "critical"
    ]


def whole_table(
    settings: Settings, sources: Iterable[Source], suite: Suite, without_days: Iterable[date] = ()
) -> DuckDBTable:
    """The table of the warehouse that `suite` is about, together with what it is compared with."""
    views = views_for(
        suite,
        {
            DAYS_OFF: partial(days_off, settings),
            PUBLISHED_MONTHS: partial(published_months, settings),
            DELIVERED_MONTHS: partial(delivered_months, settings, sources),
        },
    )
    return DuckDBTable(settings.warehouse_path, suite.stage, suite.name, views, tuple(without_days))


def delivered_days(settings: Settings, source: str, table: str, suite: Suite, days: list[date]) -> ParquetFiles:
    """A table's deliveries on `days`, together with what they are compared with."""
    views = views_for(
        suite,
        {DELIVERIES: partial(deliveries, settings.raw_dir, source, table, days), DAYS_OFF: partial(days_off, settings)},
    )
    return ParquetFiles(tuple(raw_file(settings.raw_dir, source, table, day) for day in days), views)


def judge_log(
    settings: Settings,
    source: Source,
    name: str,
    suite: Suite,
    run_id: str,
    checked: Callable[[DuckDBTable], list[CheckResult]] | None = None,
) -> list[CheckResult]:
    """The results of `suite` on a table's delivery log. Each delivery gets its verdict.

    `checked` gives the results of the suite on part of the log; by default, the checks are executed.
    """
    judged = Judged(Standing(settings, [source]), source, name, suite, run_id)
    return judge_logged(
        judged,
        loads_of_log(settings, suite.name),
        lambda without: (checked or partial(validate, suite))(whole_table(settings, [source], suite, without)),
    )


def _model_checks(
    settings: Settings, sources: list[Source], suite: Suite, history: CheckHistory
) -> dg.AssetChecksDefinition:
    logs = {TableRef(source.name, name).log: (source, name) for source, name, _ in each_table(sources)}

    def check(context: dg.AssetCheckExecutionContext) -> list[CheckResult]:
        versions = {} if _is_asked_for(context.run) else versions_of_tables(settings.warehouse_path)

        def checked(table: DuckDBTable) -> list[CheckResult]:
            content = content_of(suite, table, versions)
            return validate_if_changed(suite, table, content, history, context.run.run_id)

        if suite.stage == STAGING and suite.name in logs:
            return judge_log(settings, *logs[suite.name], suite, context.run.run_id, checked)
        return checked(whole_table(settings, sources, suite))

    return asset_checks(
        suite,
        _asset_key(suite),
        check,
        history=history,
        docs_folder=settings.data_docs_dir,
        docs_url=settings.data_docs_url,
    )


def _is_asked_for(run: dg.DagsterRun) -> bool:
    """Whether a person has picked what to run, or has everything built anew: then all checks are made."""
    return bool(run.asset_selection or run.asset_check_selection or "full_refresh" in run.tags)


def _asset_key(suite: Suite) -> dg.AssetKey:
    return dg.AssetKey(asset_of_suite(suite.stage, suite.name))


def _raw_checks(
    settings: Settings, suite: Suite, source: Source, table: str, history: CheckHistory
) -> dg.AssetChecksDefinition:
    def check(context: dg.AssetCheckExecutionContext) -> list[CheckResult]:
        return judge_landed(
            Judged(Standing(settings, [source]), source, table, suite, context.run.run_id),
            [date.fromisoformat(key) for key in context.partition_keys],
            lambda days: delivered_days(settings, source.name, table, suite, days),
        )

    return asset_checks(
        suite,
        _asset_key(suite),
        check,
        history=history,
        docs_folder=settings.data_docs_dir,
        docs_url=settings.data_docs_url,
    )
