"""What is damaged in an installation, and its repair as far as nothing needs to be guessed.

Belongs here: every file that the pipeline keeps, how damage in it is found, what is lost with it, and what makes it
anew. Nothing is deleted: what is damaged is moved to `<data>/damaged/<day>/`.
Does not belong here: how damage shows in a kind of file (`damage.py`), and what a disk or a person must change
(`doctor.py`).
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Literal

import duckdb
from filelock import FileLock, Timeout

from pipelines.alerts import store as alerts
from pipelines.checks import history as checks
from pipelines.damage import (
    REPAIR,
    DamagedError,
    InUseError,
    damage_of_duckdb,
    damage_of_json,
    damage_of_sqlite,
    damaged_parquet_files,
    is_whole_parquet,
    set_aside,
    tables_of,
)
from pipelines.deliveries import store as deliveries
from pipelines.disk import sha256_of
from pipelines.ingest.connectors import unfinished_fetches
from pipelines.leftovers import abandoned, copies_in, delete
from pipelines.publish.versions import FILE, MANIFEST, folders_kept, point_to, recorded
from pipelines.publish.versions import leftovers as leftover_publications
from pipelines.quarantine import rows
from pipelines.settings import Settings
from pipelines.sources import Source, each_table, enabled_sources
from pipelines.tables import day_of, raw_days, raw_file
from pipelines.warehouse import reader, release_writer_lock, try_to_hold_writer_lock

# Of Dagster's files, the tables without which it or this pipeline stops.
_RUNS = dict.fromkeys(("runs", "run_tags", "daemon_heartbeats"), frozenset[str]())
_EVENTS = dict.fromkeys(("event_logs",), frozenset[str]())
_SCHEDULES = dict.fromkeys(("instigators", "job_ticks"), frozenset[str]())
Topic = Literal["published", "warehouse", "records", "raw"]

_SAID_OF_A_PUBLICATION = ("publication_id", "published_at", "as_of_date", "run_id")
_RESTART = "If `kpi dev` or Dagster's services are running, restart them"


@dataclass(frozen=True)
class Damage:
    """Something damaged in an installation.

    Attributes:
        topic: the part of the installation.
        said: a sentence that names the file, what is wrong and what is lost with it.
        repair: does what can be done, on the day given, and returns a sentence about it; None if something else must
            be done first, or instead.
        remedy: what to do about it.
    """

    topic: Topic
    said: str
    repair: Callable[[date], str] | None
    remedy: str = f"Repair it: {REPAIR}"


class CannotRepairError(Exception):
    """Nothing can be repaired now; the message says why."""


def repair(settings: Settings, sources: Sequence[Source], day: date, say: Callable[[str], None]) -> None:
    """Repair what can be repaired without guessing, and `say` each thing that was done.

    Raises:
        CannotRepairError: a process is writing the warehouse.
        StoreError: the database, which knows whether one is, cannot be used.
        OSError: a file cannot be moved.
    """
    with _alone(settings):
        for damage in damages(settings, sources):
            if damage.repair:
                say(damage.repair(day))
        for left in leftovers(settings):
            say(f"Deleted {left}, which a killed process had left.")
            delete(left)


def leftovers(settings: Settings) -> list[Path]:
    """What killed processes have left, and nobody reads, as long as nobody writes the warehouse.

    What a living process is fetching, landing or trying out is not among them.
    """
    scratch = [path for path in settings.raw_dir.glob("*/*/.landing") if _is_free(path.with_name(".lock"))]
    return [
        *scratch,
        *leftover_publications(settings.published_dir),
        *abandoned(copies_in(settings.data_dir)),
        *unfinished_fetches(settings.landing_dir),
    ]


def _is_free(lock: Path) -> bool:
    try:
        with FileLock(lock, timeout=0):
            return True
    except (Timeout, OSError):
        return False


def ready_for_a_run(settings: Settings, say: Callable[[str], None]) -> None:
    """Set damaged publications aside, since a run makes a new one, and `say` so. Only the writer may call it.

    Raises:
        DamagedError: the warehouse or a record is damaged, which a run cannot make up for.
    """
    check_records(settings)
    for damage in _publications(settings, thoroughly=False):
        if damage.repair:
            say(f"{damage.said} {damage.repair(datetime.now(UTC).date())}")


def check_records(settings: Settings) -> None:
    """Ensure that what a run needs can be read, as far as the beginnings and ends of the files show it.

    Raises:
        DamagedError: it cannot; the message names the file and the remedy.
    """
    for found in (_warehouse, _records):
        for damage in found(settings, thoroughly=False):
            raise DamagedError(f"{damage.said} {damage.remedy}.")
    if not all(map(is_whole_parquet, settings.raw_dir.glob("*/*/*/rows.parquet"))):
        for damage in _raw(settings, enabled_sources(settings)):
            raise DamagedError(f"{damage.said} {damage.remedy}.")


def damages(settings: Settings, sources: Sequence[Source]) -> Iterator[Damage]:
    """Everything that is damaged, in the order in which it must be repaired. A file in use is left out."""
    yield from _publications(settings, thoroughly=True)
    yield from _warehouse(settings, thoroughly=True)
    yield from _records(settings, thoroughly=True)
    yield from _raw(settings, sources)


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    if not try_to_hold_writer_lock(settings.warehouse_path, f"`{REPAIR}`", settings.database_url):
        raise CannotRepairError(
            f"Another process is writing {settings.warehouse_path.name}. Repair when it has finished: {REPAIR}."
        )
    try:
        yield
    finally:
        release_writer_lock(settings.warehouse_path)


def _set_aside(path: Path, settings: Settings, then: str, day: date) -> str:
    return f"Moved {path} to {set_aside(path, settings.data_dir, day)}. {then}"


def _publications(settings: Settings, *, thoroughly: bool) -> Iterator[Damage]:
    """The link first, so that analysts read an intact publication before a damaged one is moved."""
    published = settings.published_dir
    current = published.resolve() if published.is_symlink() else None
    folders = folders_kept(published)
    unreadable = {
        folder: why for folder in folders if (why := _why_unreadable(folder, thoroughly and folder == current))
    }
    intact = [folder for folder in folders if folder not in unreadable]
    yield from _link(settings, intact, unreadable, current)
    for folder, why in sorted(unreadable.items()):
        if folder == current:  # `_link` looks after it
            continue
        yield Damage(
            "published",
            f"{folder / FILE} cannot be read: {why}.",
            partial(_set_aside, folder, settings, "The other publications stay."),
        )
    for folder in sorted(intact):
        if why := damage_of_json(folder / MANIFEST, *_SAID_OF_A_PUBLICATION):
            yield Damage(
                "published",
                f"{folder / MANIFEST} cannot be read: {why}; {FILE} beside it can.",
                partial(_write_manifest_again, folder, settings),
            )
        elif thoroughly and folder == current:
            yield from _copies(folder)


def _copies(folder: Path) -> Iterator[Damage]:
    """The Parquet copies of a publication that are not as they were written."""
    for name, table in json.loads((folder / MANIFEST).read_text(encoding="utf-8")).get("tables", {}).items():
        copy = folder / table["parquet"]
        if not copy.exists() or sha256_of(copy) != table["parquet_sha256"]:
            said = f"{copy} is missing or not as it was written; {FILE} has the same rows of {name}."
            yield Damage("published", said, None, "Have the next run write it again: kpi run")


def _why_unreadable(folder: Path, thoroughly: bool) -> str | None:
    file = folder / FILE
    journal = file.with_name(f"{FILE}.wal")
    if not file.exists():
        return "it is missing"
    if journal.exists():
        return f"{journal.name} beside it prevents readers from opening it"
    try:
        if why := damage_of_duckdb(file, thoroughly=thoroughly):
            return why
        with reader(file) as connection:
            tables = "select count(*) from duckdb_tables() where schema_name = 'marts'"
            if connection.execute(tables).fetchall() == [(0,)]:
                return "it contains no marts"
    except InUseError:
        return None
    if damage_of_json(folder / MANIFEST, *_SAID_OF_A_PUBLICATION) and not _id_in(folder):
        return f"it does not say which publication it is, and neither does {MANIFEST}"
    return None


def _link(
    settings: Settings, intact: Sequence[Path], unreadable: Mapping[Path, str], current: Path | None
) -> Iterator[Damage]:
    """What is wrong with the link to the current publication."""
    published = settings.published_dir
    if current in intact or not (published.exists() or published.is_symlink() or intact):
        return
    older = [folder for folder in intact if current is None or folder.name < current.name]
    target = max(older or intact, default=None)
    if not published.is_symlink():
        is_folder = published.exists()
        copied = published.with_name("publications") / _id_in(published) if is_folder else None
        target = copied if copied in intact else target
        said = f"{published} is a folder, but should be a link." if is_folder else f"The link {published} is missing."
    elif current and current in unreadable:
        compared = target.name if target else "nothing, so that what it restates cannot be determined"
        said = f"{published / FILE} cannot be read: {unreadable[current]}. The next run compares with {compared}."
    else:
        said = f"{published} points to {current}, which does not exist."
    damaged = current if current and current in unreadable else published
    yield Damage(
        "published",
        said,
        partial(_point, target, damaged, settings),
        f"Repair it ({REPAIR}), or publish again: kpi run",
    )


def _id_in(folder: Path) -> str:
    try:
        return str(recorded(folder)["publication_id"])
    except (duckdb.Error, IndexError):
        return ""


def _point(target: Path | None, damaged: Path, settings: Settings, day: date) -> str:
    """Let analysts read `target`, and set aside what they could not read: a publication, or what is no link."""
    published, done = settings.published_dir, ""
    if damaged == published and published.exists():
        done = f"Moved {damaged} to {set_aside(damaged, settings.data_dir, day)}. "
    if target:
        point_to(target, published)
    else:
        published.unlink(missing_ok=True)  # a link to nothing that can be read
    if damaged != published:
        done = f"Moved {damaged} to {set_aside(damaged, settings.data_dir, day)}. "
    if target:
        return f"{done}Analysts now read {target.name}. If it is not the one they should read: kpi rollback."
    return f"{done}No other publication can be read, so analysts wait for the next run: kpi run."


def _write_manifest_again(folder: Path, settings: Settings, day: date) -> str:
    from pipelines.publish.publication import contents_of, write_manifest  # it imports pandas, and is rarely needed

    if (folder / MANIFEST).exists():
        set_aside(folder / MANIFEST, settings.data_dir, day)
    with reader(folder / FILE) as connection:
        marts = connection.execute("select table_name from duckdb_tables() where schema_name = 'marts'").fetchall()
    copied = [name for (name,) in marts if (folder / "parquet" / name / f"{name}.parquet").exists()]
    write_manifest(recorded(folder), contents_of(copied, folder / FILE), folder)
    return f"Wrote {folder / MANIFEST} again from what {FILE} says."


def _warehouse(settings: Settings, *, thoroughly: bool) -> Iterator[Damage]:
    path = settings.warehouse_path
    if not path.exists():
        return
    try:
        why = damage_of_duckdb(path, thoroughly=thoroughly)
    except InUseError:
        return
    if why:
        yield Damage(
            "warehouse",
            f"{path} cannot be read: {why}; the next run can rebuild all of it from raw.",
            partial(_set_aside, path, settings, "The next run rebuilds it from raw: kpi run."),
            f"Move it aside ({REPAIR}), then: kpi run",
        )


@dataclass(frozen=True)
class _Record:
    path: Path
    tables: Mapping[str, frozenset[str]]
    lost: str
    then: str


def _own_records(settings: Settings) -> Iterator[_Record]:
    history = tables_of(checks.SCHEMA)
    history["check_results"] -= frozenset(checks.ADDED)
    yield _Record(
        settings.check_history_path,
        history,
        "the results of earlier runs' checks, with which unusual days are compared",
        "The next run checks everything again.",
    )
    yield _Record(
        settings.deliveries_path,
        tables_of(deliveries.SCHEMA),
        "verdicts about deliveries, and what people accepted",
        "The next run judges all deliveries again; accept again what it names: kpi accept.",
    )
    yield _Record(
        settings.alerts_path,
        tables_of(alerts.SCHEMA),
        "incidents, who acknowledged them, and notifications that were not sent yet",
        "The next run opens an incident for each check that still fails.",
    )
    yield _Record(
        settings.quarantine_dir / "rows.sqlite",
        tables_of(rows.SCHEMA),
        "which rows in quarantine were dismissed, and since when they are there",
        "The next run finds the rows again; dismiss again what does not matter: kpi quarantine dismiss.",
    )


def _dagsters_records(settings: Settings, *, with_logs_of_runs: bool) -> Iterator[_Record]:
    history_dir = settings.dagster_home / "history"
    yield _Record(history_dir / "runs.db", _RUNS, "Dagster's list of runs", f"{_RESTART}.")
    yield _Record(
        settings.dagster_home / "schedules" / "schedules.db",
        _SCHEDULES,
        "the switches of Dagster's schedule and sensors",
        f"{_RESTART}, and look at the switches in the UI.",
    )
    for file in sorted((history_dir / "runs").glob("*.db" if with_logs_of_runs else "index.db")):
        lost = "what Dagster's UI shows of assets and checks" if file.stem == "index" else "the log of one run"
        yield _Record(file, _EVENTS, lost, f"{_RESTART}.")


def _records(settings: Settings, *, thoroughly: bool) -> Iterator[Damage]:
    """The SQLite files of alerts, checks, deliveries, quarantine and Dagster.

    With a database, our own are those from before, which a run does not need.
    """
    own = () if settings.database_env and not thoroughly else _own_records(settings)
    for record in (*own, *_dagsters_records(settings, with_logs_of_runs=thoroughly)):
        if not record.path.exists():
            continue
        try:
            why = damage_of_sqlite(record.path, record.tables, thoroughly=thoroughly)
        except InUseError:
            continue
        if why:
            yield Damage(
                "records",
                f"{record.path} cannot be read: {why}; without a backup, this is lost: {record.lost}.",
                partial(_set_aside, record.path, settings, record.then),
                f"Restore it from a backup, or move it aside: {REPAIR}",
            )


def _raw(settings: Settings, sources: Sequence[Source]) -> Iterator[Damage]:
    """Raw files whose footer cannot be read. They are made again from the files that were delivered."""
    made_from: Mapping[tuple[str, str, date], Sequence[str]] | None = None
    for source, name, table in each_table(sources):
        days = sorted(raw_days(settings.raw_dir, source.name, name))
        damaged = damaged_parquet_files([raw_file(settings.raw_dir, source.name, name, day) for day in days])
        if damaged and made_from is None:
            made_from = _delivered_files(settings)
        for file, why in damaged.items():
            day = day_of(file)
            wanted = (made_from or {}).get((source.name, name, day))
            missing = [label for label in wanted or () if not (settings.landing_dir / label).exists()]
            said, run = f"{file} cannot be read: {why}", f"kpi run --date {day}"
            if source.is_asked or (wanted and not missing):
                origin = f"{source.name} can be asked again" if source.is_asked else "its files are in landing"
                again = partial(_set_aside, file, settings, f"The next run lands the day again: {run}.")
                yield Damage("raw", f"{said}; {origin}.", again, f"Move it aside ({REPAIR}), then: {run}")
            else:
                needed = ", ".join(missing) or table.path.format(delivered_on=day)
                person = f"Put {needed} there, from a backup or from {source.owner}, then: {run}"
                yield Damage("raw", f"{said}; {needed}, of which it was made, is not in landing.", None, person)


def _delivered_files(settings: Settings) -> dict[tuple[str, str, date], list[str]]:
    """The delivered files of each table and day, according to the warehouse or else to the publication."""
    for path, schema in ((settings.warehouse_path, "staging"), (settings.published_dir / FILE, "meta")):
        try:
            with reader(path.resolve()) as connection:
                found = connection.execute(
                    "select source, table_name, delivered_on, list(source_file order by source_file) "
                    f"from {schema}.delivered_files group by all"
                ).fetchall()
        except duckdb.Error:
            continue
        return {(source, table, day): files for source, table, day, files in found}
    return {}
