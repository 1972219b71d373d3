"""Performs a dry run: shows the effect of a delivery without touching anything in the installation.

Belongs here: making a copy of the data, landing and building there, and reporting the result.
Does not belong here: landing and building themselves (`ingest/`, `transform/`), which are the same as in a real run.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import duckdb

from pipelines.answers.differences import Differences, differences, has_scorecard
from pipelines.checks.assets import delivered_days, load_all_suites, whole_table
from pipelines.checks.results import CheckResult
from pipelines.checks.validation import validate
from pipelines.config_files import ConfigError
from pipelines.ingest.connectors import fetch
from pipelines.ingest.gate import DeliveryError
from pipelines.ingest.landing import Landed, land
from pipelines.ingest.late_files import unclaimed_files
from pipelines.leftovers import DRY_RUN, temporary_folder
from pipelines.partitions import business_day, days_between, days_in_words
from pipelines.settings import Settings
from pipelines.sources import Source, Table, sources_named
from pipelines.tables import TableRef, raw_days
from pipelines.transform.failures import said_of_failed
from pipelines.transform.project import as_of_date, build_anew
from pipelines.warehouse import hold_writer_lock, reader, release_writer_lock, sandboxed


@dataclass(frozen=True)
class Given:
    """A file to try, at any path: it counts as the delivery of `table` on `day`."""

    path: Path
    table: str
    day: date


@dataclass
class DryRun:
    """What a dry run found."""

    landed: dict[tuple[str, date], Landed] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    said_by_dbt: str = ""  # which models could not be built and which tests failed, if any
    is_built: bool = True  # whether all models could be built
    row_counts: dict[tuple[str, date], tuple[int, int, int, int]] = field(default_factory=dict)
    unreadable: dict[tuple[str, date], list[tuple[str, int, str]]] = field(default_factory=dict)
    differences: Differences | None = None  # from what is published, if the scorecard could be built
    failed_checks: list[CheckResult] = field(default_factory=list)
    as_published: int = 0  # checks that fail in the same way in the publication

    @property
    def is_blocked(self) -> bool:
        """True if a check failed that would block publication in a real run."""
        return any(result.severity == "critical" for result in self.failed_checks)


def dry_run(settings: Settings, name: str, day: date | None = None, given: Given | None = None) -> DryRun:
    """Land and build on a copy: the deliveries of source `name` for one day, or all that have not landed, or a file.

    A source that the pipeline fetches is queried for that day, or else for yesterday.

    Raises:
        ConfigError: the source is not described, a variable that it names is not set, or nothing was delivered.
    """
    [source] = sources_named([name], settings)
    if given and given.table not in source.tables:
        raise ConfigError(f"{name} has no table {given.table!r}. Its tables: {', '.join(source.tables)}.")
    found = DryRun()
    with _copy_of(settings) as copy:
        landing = settings.landing_dir
        if given:
            landing, day = _landing_with(copy, source.tables[given.table], given), given.day
        elif source.is_asked:
            day = day or business_day(settings) - timedelta(days=1)
            landing = _asked(settings.with_data_dir(copy), source, day, found)
        deliveries = list(_deliveries(settings, source, landing, day))
        if not deliveries and not found.refused:
            raise ConfigError(_nothing_to_try(settings, source, day))
        raw = copy / "raw"
        memory = settings.max_reading_memory
        with sandboxed(landing, raw, memory=memory) as database:
            for table, delivered_on in deliveries:
                try:
                    landed = land(
                        name, table, source.tables[table], delivered_on, landing, raw, database, memory=memory
                    )
                except DeliveryError as error:
                    found.refused += str(error).splitlines()
                else:
                    found.landed[table, delivered_on] = landed
                    found.refused += landed.refused
            if deliveries:
                _complete_tables(source, landing, raw, database, min(day for _, day in deliveries))
        if any(landed.files for landed in found.landed.values()):
            _build(settings, source, copy, found)
    return found


@contextmanager
def _copy_of(settings: Settings) -> Iterator[Path]:
    """A copy of the data folder, with hard links to raw files, since these are only ever replaced as a whole."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with temporary_folder(DRY_RUN, settings.data_dir) as copy:
        if settings.raw_dir.exists():
            unfinished = shutil.ignore_patterns(".lock", ".landing")
            shutil.copytree(settings.raw_dir, copy / "raw", copy_function=os.link, ignore=unfinished)
        (copy / "raw").mkdir(exist_ok=True)
        (copy / "published").symlink_to(settings.published_dir.absolute())  # checks compare with what is published
        if settings.warehouse_path.exists():
            hold_writer_lock(settings.warehouse_path, "a dry run", print, settings.database_url)
            try:
                shutil.copyfile(settings.warehouse_path, copy / settings.warehouse_path.name)
            finally:
                release_writer_lock(settings.warehouse_path)
        yield copy


def _landing_with(copy: Path, table: Table, given: Given) -> Path:
    """A landing folder that contains only the given file, under the name that its table expects."""
    name = table.path.format(delivered_on=given.day).replace("*", "given")
    target = copy / "landing" / name
    target.parent.mkdir(parents=True)
    shutil.copyfile(given.path, target)
    if table.row_count_suffix:
        companion = given.path.with_name(given.path.name + table.row_count_suffix)
        if companion.exists():
            shutil.copyfile(companion, target.with_name(target.name + table.row_count_suffix))
    return copy / "landing"


def _nothing_to_try(settings: Settings, source: Source, day: date | None) -> str:
    """Why there is nothing to try, and what to do."""
    landed = sorted({day for name in source.tables for day in raw_days(settings.raw_dir, source.name, name)})
    has_files = [at for at in landed if any(table.files(settings.landing_dir, at) for table in source.tables.values())]
    lines = [
        f"{settings.landing_dir} contains no files of {source.name} "
        + (f"for {day}." if day else "that have not landed yet.")
    ]
    if has_files and day not in has_files:
        lines.append(
            f"Files that have landed: {days_in_words(has_files)}. To try a day again, for example after you changed a "
            f"model: kpi sources check {source.name} --date {has_files[-1]}."
        )
    lines.append("To try another file: put it there, or specify it: --file FILE --table TABLE.")
    return " ".join(lines) + _misnamed(settings, source)


def _misnamed(settings: Settings, source: Source) -> str:
    """A message that names the files in the source's folders that no run will read, if any."""
    names = ", ".join(repr(path.name) for path in unclaimed_files(settings, [source])[:5])
    return (
        f" The names of these files match no `path` of the source, or are of an earlier day: {names}." if names else ""
    )


def _asked(settings: Settings, source: Source, day: date, found: DryRun) -> Path:
    """A landing folder with the data that a database or an API returns for the day."""
    for name, table in source.tables.items():
        try:
            fetch(source, name, table, day, settings)
        except DeliveryError as error:
            found.refused.append(str(error))
    settings.landing_dir.mkdir(exist_ok=True)
    return settings.landing_dir


def _deliveries(settings: Settings, source: Source, landing: Path, day: date | None) -> Iterator[tuple[str, date]]:
    for name, table in source.tables.items():
        landed = raw_days(settings.raw_dir, source.name, name)
        for delivered_on in [day] if day else days_between(settings.first_delivery, business_day(settings)):
            if table.files(landing, delivered_on) and (day or delivered_on not in landed):
                yield name, delivered_on


def _complete_tables(source: Source, landing: Path, raw: Path, database: duckdb.DuckDBPyConnection, day: date) -> None:
    """Give tables for which nothing has ever landed an empty day, so that models that read them can be built."""
    for name, table in source.tables.items():
        if not raw_days(raw, source.name, name):
            empty = table.model_copy(update={"empty_day": "allowed", "path": "none_{delivered_on}"})
            land(source.name, name, empty, day - timedelta(days=1), landing, raw, database)


def _build(settings: Settings, source: Source, copy: Path, found: DryRun) -> None:
    enabled = [name for name in settings.sources if name != source.name and _has_landed(settings, name)]
    enabled.append(source.name)
    copied = settings.with_data_dir(copy).model_copy(update={"sources": enabled})
    sources = sources_named(enabled, settings)
    # On a copy, everything may be rebuilt, and a base model whose types have changed must be.
    built = build_anew(copied, sources, as_of_date(copied, sources))
    if not built.succeeded:
        found.said_by_dbt = said_of_failed(built.results, built.error)
        found.is_built = bool(built.results) and all(result["status"] != "error" for result in built.results)
    if found.is_built:
        published = (settings.published_dir / "kpi.duckdb").resolve()
        before = published if published.exists() and has_scorecard(published) else None
        found.differences = differences(before, copied.warehouse_path)
    known = _failures_published(copied)
    failed = _failed_checks(copied, sources, source.name, found)
    found.failed_checks = [result for result in failed if _words(result) not in known]
    found.as_published = len(failed) - len(found.failed_checks)
    with reader(copied.warehouse_path) as warehouse:
        try:
            counted = warehouse.execute(
                "select table_name, delivered_on, raw_rows, good_rows, quarantined_rows, superseded_rows "
                "from staging.delivered_row_counts where source = ?",
                [source.name],
            ).fetchall()
            rejected = warehouse.execute(
                "select table_name, delivered_on, source_file, row_number, reason from staging.quarantined_rows "
                "where source = ? order by all",
                [source.name],
            ).fetchall()
        except duckdb.CatalogException:  # the build did not get that far
            return
    found.row_counts = {(table, day): tuple(counts) for table, day, *counts in counted}
    for table, day, file, number, reason in rejected:
        found.unreadable.setdefault((table, day), []).append((file, number, reason))


def _failed_checks(settings: Settings, sources: list[Source], tried: str, found: DryRun) -> list[CheckResult]:
    """The checks that fail for the deliveries of the source `tried` and, if models could be built, for the models."""
    suites = load_all_suites(settings, sources)
    landed: dict[str, list[date]] = {}
    for (table, day), delivery in sorted(found.landed.items()):
        if delivery.files:
            landed.setdefault(table, []).append(day)
    results = [
        result
        for table, days in landed.items()
        for suite in [suites[TableRef(tried, table).suite]]
        for result in validate(suite, delivered_days(settings, tried, table, suite, days))
    ]
    if found.is_built:
        with reader(settings.warehouse_path) as warehouse:
            built = warehouse.execute("select schema_name, table_name from duckdb_tables()").fetchall()
            built += warehouse.execute("select schema_name, view_name from duckdb_views()").fetchall()
        results += [
            result
            for stage, table in built
            if (stage, table) in suites
            for result in validate(suites[stage, table], whole_table(settings, sources, suites[stage, table]))
        ]
    return [result for result in results if not result.passed]


def _failures_published(settings: Settings) -> set[tuple[str, ...]]:
    """The checks that failed in the last published run, with their messages."""
    published = settings.published_dir / "kpi.duckdb"
    if not published.exists():
        return set()
    with reader(published) as connection:
        rows = connection.execute(
            """
            select stage, "table", "check", message from meta.check_results
            where not passed and run_id = (select arg_max(run_id, checked_at) from meta.check_results)
            """
        ).fetchall()
    return set(rows)


def _words(result: CheckResult) -> tuple[str, ...]:
    return (result.stage, result.table, result.check, result.message)


def _has_landed(settings: Settings, name: str) -> bool:
    """True if models that read the source can be built: every table has had a delivery."""
    [source] = sources_named([name], settings)
    return all(raw_days(settings.raw_dir, name, table) for table in source.tables)
