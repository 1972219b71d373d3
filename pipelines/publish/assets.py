"""The published asset: the last step of the daily job, and its gate.

Belongs here: deciding whether this run may publish, and telling Dagster what was published.
Does not belong here: how a publication is made (`publication.py`).
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version

import dagster as dg

from pipelines.ingest.landing import raw_days
from pipelines.publish.publication import AuditError, Publication, publish
from pipelines.quality.history import CheckHistory
from pipelines.settings import Settings
from pipelines.sources import Source
from pipelines.transform.project import as_of_date

PUBLISHED_KEY = dg.AssetKey(["published", "kpi"])


def published_asset(
    settings: Settings,
    sources: list[Source],
    mart_tables: list[str],
    blocking_checks: Iterable[tuple[str, str, str]],
    history: CheckHistory,
    blocking_tests: Iterable[dg.AssetCheckKey] = (),
) -> dg.AssetsDefinition:
    """The published file, after every mart of `mart_tables`.

    Deny by default: each of `blocking_checks` (stage, table, check) needs a passing result of this very run in
    `history`, and each of `blocking_tests`, which dbt ran, one among the run's events.
    """
    required, tests = list(blocking_checks), list(blocking_tests)

    @dg.asset(
        key=PUBLISHED_KEY,
        deps=[dg.AssetKey(["marts", table]) for table in mart_tables],
        description=(
            "The file analysts read: `published/kpi.duckdb` with schemas `marts` and `meta`, Parquet copies and a "
            "manifest. Built aside, audited against the warehouse, swapped in at once; earlier ones are kept."
        ),
        group_name="published",
        owners=["team:data"],
        kinds={"duckdb", "parquet"},
    )
    def published_file(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        problems = [
            *history.blocking_problems(context.run.run_id, required),
            *_unproven_tests(context.instance, context.run.run_id, tests),
        ]
        if problems:
            raise dg.Failure(
                description="Not published, the previous file stays:\n" + "\n".join(problems), allow_retries=False
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
            as_of_date=as_of_date(settings, sources),
            data_through=through,
            code_version=version("sales-kpi-pipeline"),
            reporting_currency=settings.reporting_currency,
        )
        try:
            counts = publish(
                publication, mart_tables, history.frame(last_runs=20), settings.warehouse_path, settings.published_dir
            )
        except AuditError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from None
        return dg.MaterializeResult(
            metadata={
                "publication": publication.publication_id,
                "as of": str(publication.as_of_date),
                "file": dg.MetadataValue.path(str(settings.published_dir / "kpi.duckdb")),
                "dagster/row_count": sum(counts.values()),
            }
        )

    return published_file


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
