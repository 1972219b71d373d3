"""The raw assets: one per delivered table, partitioned by delivery day.

Belongs here: how Dagster sees ingestion. Does not belong here: the ingestion itself (`landing.py`, `readers.py`).
"""

from collections.abc import Iterable, Mapping
from datetime import date
from itertools import chain

import dagster as dg

from pipelines.config_files import ConfigError
from pipelines.damage import DamagedError
from pipelines.deliveries.standing import Standing
from pipelines.disk import disk_problems_as_failures
from pipelines.ingest.connectors import UnreachableError, fetch, sweep_fetches
from pipelines.ingest.gate import DeliveryError, MissingDeliveryError
from pipelines.ingest.landing import Landed, first_live_day, land, skipped_in_words
from pipelines.partitions import FAILED_DAYS, MISSING_DAYS
from pipelines.quarantine.files import QuarantinedFiles
from pipelines.settings import Settings
from pipelines.sources import Source, Table, each_table
from pipelines.tables import TableRef, raw_days
from pipelines.warehouse import sandboxed


def raw_assets(
    settings: Settings, sources: Iterable[Source], partitions: dg.DailyPartitionsDefinition
) -> list[dg.AssetsDefinition]:
    """One asset per delivered table of the enabled sources."""
    return [_raw_asset(settings, source, name, table, partitions) for source, name, table in each_table(sources)]


def _raw_asset(
    settings: Settings, source: Source, table_name: str, table: Table, partitions: dg.DailyPartitionsDefinition
) -> dg.AssetsDefinition:
    key = dg.AssetKey(TableRef(source.name, table_name).asset)

    @dg.asset(
        key=key,
        description=f"{table.description}\n\nGrain: one row per delivered row, as sent, with file and row number.",
        group_name="raw",
        owners=[source.owner],
        kinds={"file", "parquet"},
        partitions_def=partitions,
        # A repair runs each day separately, so that its checks are about that day; `kpi run` loads a first range in
        # one run.
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
        # Disks and servers recover, so they are retried; a broken file does not, and fails without a retry.
        retry_policy=dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL),
        metadata={"file pattern": table.path, "key": ", ".join(table.key), "delivered by": source.sla},
    )
    def raw_table(context: dg.AssetExecutionContext) -> None:
        landed_days: dict[str, Landed] = {}
        problems: list[str] = []
        failed_days: list[str] = []
        missing: dict[str, str] = {}  # by day: nothing arrived
        refused: dict[str, list[str]] = {}  # by day: files that were refused
        may_recover = False
        landed_before = raw_days(settings.raw_dir, source.name, table_name)
        quarantine = QuarantinedFiles(settings.quarantine_dir / "files", settings.landing_dir)
        with (
            disk_problems_as_failures(settings.data_dir),
            sandboxed(settings.landing_dir, settings.raw_dir, memory=settings.max_reading_memory) as database,
        ):
            sweep_fetches(source, table, settings.landing_dir)
            days = [date.fromisoformat(day) for day in context.partition_keys]
            live_from = first_live_day(database, settings.raw_dir, source.name, table_name, days)
            for day in context.partition_keys:
                delivered_on = date.fromisoformat(day)
                try:
                    # What was fetched stays the delivery of its day: the source would return other rows by now. To
                    # fetch the day again anyway, remove the file.
                    is_here = delivered_on in landed_before and table.files(settings.landing_dir, delivered_on)
                    if source.store or not is_here:
                        fetch(source, table_name, table, delivered_on, settings)
                    landed_days[day] = land(
                        source.name,
                        table_name,
                        table,
                        delivered_on,
                        settings.landing_dir,
                        settings.raw_dir,
                        database,
                        quarantine,
                        is_history=delivered_on < live_from,
                        memory=settings.max_reading_memory,
                    )
                    refused[day] = landed_days[day].refused
                except (UnreachableError, ConfigError) as error:  # the other days would fail in the same way
                    problems.append(str(error))
                    failed_days += context.partition_keys[context.partition_keys.index(day) :]
                    may_recover = isinstance(error, UnreachableError)
                    break
                except MissingDeliveryError as error:
                    missing[day] = str(error)
                except (DeliveryError, DamagedError) as error:
                    refused[day] = [str(error)]
        for day, waited_for in _waited_for(settings, source, table_name, table, missing, refused).items():
            problems += waited_for
            failed_days.append(day)
        for problem in [*missing.values(), *chain.from_iterable(refused.values())]:
            if problem not in problems:
                context.log.warning(f"{key.to_user_string()}: {problem} The run continues without it.")
        for day, landed in landed_days.items():
            if landed.outcome == "restated":
                context.log.info(f"{key.to_user_string()}: {day} was delivered again with different content: restated.")
            if landed.skipped_rows:
                context.log.info(f"{key.to_user_string()}: {day}: {skipped_in_words(landed.skipped_rows)}.")
            if landed.unreadable_rows:
                context.log.warning(
                    f"{key.to_user_string()}: {day}: {landed.unreadable_rows:,} of {landed.rows:,} rows cannot be "
                    "parsed into columns: see `kpi quarantine list`."
                )
            if problems:  # a failed step materializes nothing, although these days did land
                context.log_event(dg.AssetMaterialization(key, partition=day, metadata=_metadata(landed)))
            else:
                context.add_asset_metadata(_metadata(landed), partition_key=day)
        if problems:
            raise dg.Failure(
                description="\n".join(dict.fromkeys(problems)),
                metadata={
                    FAILED_DAYS: failed_days,
                    MISSING_DAYS: {day: missing[day] for day in failed_days if day in missing},
                },
                allow_retries=may_recover,
            )

    return raw_table


def _waited_for(
    settings: Settings,
    source: Source,
    table_name: str,
    table: Table,
    missing: Mapping[str, str],
    refused: Mapping[str, list[str]],
) -> dict[str, list[str]]:
    """A table's missing and refused deliveries that prevent the run from going on, by day.

    These are all of them, except deliveries that the source or a person's decision allows to go on without. Models need
    at least one delivery of each table to know its columns.
    """
    found = {day: [problem] for day, problem in missing.items()}
    found |= {day: problems for day, problems in refused.items() if problems}
    if not found or not raw_days(settings.raw_dir, source.name, table_name):
        return found
    deliveries = Standing(settings, [source]).of_table(source.name, table_name)
    decided = {str(day) for day, delivery in deliveries.items() if delivery.decided_by}
    goes_on = {*(missing if table.late == "publish_without" else ()), *decided}
    goes_on |= set(refused if source.rejected == "leave_out" else ())
    return {day: problems for day, problems in found.items() if day not in goes_on}


def _metadata(landed: Landed) -> dict[str, dg.MetadataValue]:
    metadata: dict[str, dg.MetadataValue] = {
        "outcome": dg.MetadataValue.text(landed.outcome),
        "dagster/row_count": dg.MetadataValue.int(landed.rows),
        "unreadable rows": dg.MetadataValue.int(landed.unreadable_rows),
        "skipped rows": dg.MetadataValue.int(landed.skipped_rows),
        "bytes": dg.MetadataValue.int(landed.size_bytes),
        "files": dg.MetadataValue.text(", ".join(landed.files) or "none"),
    }
    if landed.first_date and landed.last_date:
        metadata["first date"] = dg.MetadataValue.text(landed.first_date)
        metadata["last date"] = dg.MetadataValue.text(landed.last_date)
    if landed.undeclared_columns:
        metadata["undeclared columns"] = dg.MetadataValue.text(", ".join(landed.undeclared_columns))
    return metadata
