"""The published asset: the last step of the daily job, and its gate.

Belongs here: deciding whether this run may publish, and telling Dagster what was published.
Does not belong here: how a publication is made (`publication.py`).
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path

import dagster as dg

from pipelines.checks.history import CheckHistory
from pipelines.config_files import ConfigError
from pipelines.damage import StoreError
from pipelines.deliveries.proof import unproven_deliveries
from pipelines.deliveries.standing import Standing
from pipelines.disk import disk_problems_as_failures
from pipelines.publish.annotations import Marking
from pipelines.publish.basis import Basis
from pipelines.publish.metadata import publication_metadata
from pipelines.publish.publication import AuditError, Publication, publish
from pipelines.publish.versions import what_stays
from pipelines.settings import Settings
from pipelines.sources import Source
from pipelines.tables import raw_days
from pipelines.transform.descriptions import Description
from pipelines.warehouse import reader

PUBLISHED_KEY = dg.AssetKey(["published", "kpi"])


def published_asset(
    settings: Settings,
    sources: list[Source],
    mart_tables: list[str],
    blocking_checks: Iterable[tuple[str, str, str]],
    history: CheckHistory,
    blocking_tests: Iterable[dg.AssetCheckKey] = (),
    descriptions: Mapping[str, Description] | None = None,
    basis_of_numbers: Callable[[], Basis] | None = None,
    marking: Marking | None = None,
) -> dg.AssetsDefinition:
    """The published file, after every mart of `mart_tables`.

    Deny by default. Each delivery in the warehouse must have passed its checks in the run that judged it last, or a
    person must have accepted it. Each of the models' `blocking_checks` (stage, table, check) must have a passing result
    of this run in `history`, and each of `blocking_tests`, which dbt ran, a passing result among the run's events.
    `descriptions` of tables become comments in the file, which also records the `basis_of_numbers`; `marking` becomes
    its annotations.
    """
    required, tests = list(blocking_checks), list(blocking_tests)

    @dg.asset(
        key=PUBLISHED_KEY,
        deps=[dg.AssetKey(["marts", table]) for table in mart_tables],
        description=(
            "The file that analysts read: `published/kpi.duckdb` with schemas `marts` and `meta`, Parquet copies and a "
            "manifest. It is built as a candidate, audited against the warehouse and swapped in as a whole; earlier "
            "publications are kept."
        ),
        group_name="published",
        owners=["team:data"],
        kinds={"duckdb", "parquet"},
    )
    def published_file(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        standing = Standing(settings, sources)
        as_of = built_as_of(settings.warehouse_path)
        problems = [
            *history.blocking_problems(context.run.run_id, required),
            *_unproven_tests(context.instance, context.run.run_id, tests),
            *unproven_deliveries(standing),
            *_incomplete(settings, standing, as_of),
        ]
        if problems:
            raise dg.Failure(
                description=f"Not published; {what_stays(settings.published_dir)}:\n" + "\n".join(problems),
                allow_retries=False,
            )
        now = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
        through = {
            source.name: max(set().union(*(raw_days(settings.raw_dir, source.name, table) for table in source.tables)))
            for source in sources
        }
        publication = Publication(
            publication_id=f"{now:%Y%m%dT%H%M%SZ}-{context.run.run_id[:8]}",
            run_id=context.run.run_id,
            published_at=now,
            as_of_date=as_of,
            data_through=through,
            deliveries_in_question=tuple(standing.in_question),
            code_version=version("sales-kpi-pipeline"),
            reporting_currency=settings.reporting_currency,
        )
        try:
            based_on = basis_of_numbers() if basis_of_numbers else None
        except ConfigError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from None
        except KeyboardInterrupt:
            raise dg.DagsterExecutionInterruptedError from None
        try:
            with disk_problems_as_failures(settings.data_dir):
                counts = publish(
                    publication,
                    mart_tables,
                    history.frame(last_runs=20),
                    settings.warehouse_path,
                    settings.published_dir,
                    descriptions=descriptions,
                    basis=based_on,
                    marking=marking,
                )
        except (AuditError, StoreError) as error:
            raise dg.Failure(description=str(error), allow_retries=False) from None
        metadata = publication_metadata(publication, counts, settings.published_dir)
        return dg.MaterializeResult(metadata={"pages": dg.MetadataValue.url(settings.pages_url), **metadata})

    return published_file


def built_as_of(warehouse_path: Path) -> date:
    """The last business date that counts in the warehouse."""
    with reader(warehouse_path) as warehouse:
        [[as_of]] = warehouse.execute("select as_of_date from intermediate.int_run_parameters").fetchall()
    return as_of  # type: ignore[no-any-return]


def _incomplete(settings: Settings, standing: Standing, as_of: date) -> list[str]:
    """A line if the marts count days on which a required delivery is missing."""
    through, waited_for = standing.complete_through, standing.waited_for
    if settings.as_of_date or not waited_for or (through and as_of <= through):
        return []
    first = waited_for[0]
    return [
        f"{first}: {first.state.replace('_', ' ')}: {'; '.join(first.problems)} From that day on, no day is complete, "
        f"so nothing can be published as of {as_of}. Have it delivered, or continue without it: "
        f'kpi accept {first.source} {first.table} {first.delivered_on} --reason "…"'
    ]


def _unproven_tests(instance: dg.DagsterInstance, run_id: str, tests: Iterable[dg.AssetCheckKey]) -> list[str]:
    """A line for each of `tests` that has not passed in run `run_id`, whether it failed or did not run."""
    passed: dict[dg.AssetCheckKey, bool] = {}
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        found = entry.dagster_event.event_specific_data if entry.dagster_event else None
        if isinstance(found, dg.AssetCheckEvaluation):
            passed[dg.AssetCheckKey(found.asset_key, found.check_name)] = found.passed
    outcomes = {test: "failed" if test in passed else "did not run" for test in tests if not passed.get(test)}
    return [
        f"{test.asset_key.to_user_string()} {test.name}: {outcome} in run {run_id}."
        for test, outcome in outcomes.items()
    ]
