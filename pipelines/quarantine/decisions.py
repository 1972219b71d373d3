"""Quarantine: finds, shows and releases refused files and unreadable rows.

Belongs here: bringing the store of rows up to date from the warehouse, and what `kpi quarantine` does.
Does not belong here: why something is in quarantine (`ingest/gate.py`, `ingest/readers.py`, the staging models).
"""

import difflib
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from pipelines.config_files import ConfigError
from pipelines.ingest.landing import stamp_again
from pipelines.quarantine.files import QuarantinedFile, QuarantinedFiles
from pipelines.quarantine.rows import QuarantinedRow, QuarantinedRows, State
from pipelines.settings import Settings
from pipelines.sources import Source
from pipelines.sql import pattern_of
from pipelines.tables import raw_file
from pipelines.warehouse import reader, sandboxed


@dataclass(frozen=True)
class Quarantine:
    """Files and rows in quarantine."""

    files: QuarantinedFiles
    rows: QuarantinedRows

    @classmethod
    def of(cls, settings: Settings) -> "Quarantine":
        """The quarantine of an installation."""
        return cls(
            QuarantinedFiles(settings.quarantine_dir / "files", settings.landing_dir),
            QuarantinedRows(settings.quarantine_dir / "rows.sqlite", settings.database_url),
        )

    def counts(self) -> tuple[int, int]:
        """How many files and rows nobody has handled yet."""
        return sum(file.state == "open" for file in self.files.all()), len(self.rows.rows("open"))


def update_rows(settings: Settings) -> int:
    """Update the store with the rows that staging could not read; return how many rows are open.

    Raises:
        duckdb.Error: the warehouse or a raw file cannot be read.
    """
    store = Quarantine.of(settings).rows
    now = datetime.now(UTC).isoformat(timespec="seconds")
    with reader(settings.warehouse_path) as warehouse:
        places = warehouse.execute(
            "select quarantine_id, source, table_name, delivered_on, source_file, row_number, reason "
            "from staging.quarantined_rows order by all"
        ).fetchall()
        deliveries: dict[tuple[str, str, date], list[tuple[str, str, int, str]]] = {}
        for place_id, source, table, delivered_on, file, number, rule in places:
            deliveries.setdefault((source, table, delivered_on), []).append((place_id, file, number, rule))
        known = {row.id: row for row in store.rows()}
        found = []
        for (source, table, day), rows in deliveries.items():
            raw = raw_file(settings.raw_dir, source, table, day)
            version = str(raw.stat().st_mtime_ns)
            # Rows that were read before are not read again: years of broken rows must not make each day slower.
            new = [row for row in rows if row[0] not in known or known[row[0]].read_from != version]
            cells = _delivered_cells(warehouse, raw, new) if new else {}
            for place_id, file, number, rule in rows:
                before = known.get(place_id)
                values = before.cells if before and before.read_from == version else cells.get((file, number), {})
                row_hash = hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]
                found.append(
                    QuarantinedRow(
                        place_id, source, table, str(day), file, number, row_hash, version, rule, values, first_seen=now
                    )
                )
    store.update(found, now)
    return len(store.rows("open"))


def _delivered_cells(
    connection: duckdb.DuckDBPyConnection, raw: Path, rows: Iterable[tuple[str, str, int, str]]
) -> dict[tuple[str, int], dict[str, str | None]]:
    """The delivered cells of some rows of a raw file, by file and row number."""
    numbers = sorted({number for _, _, number, _ in rows})
    result = connection.execute(
        "select * exclude (_file_sha256, _delivered_on, _loaded_at, _problem) "
        "from read_parquet($file, hive_partitioning = false) where list_contains($numbers, _row_number)",
        {"file": pattern_of(raw), "numbers": numbers},
    )
    names = [column[0] for column in result.description or ()]
    found: dict[tuple[str, int], dict[str, str | None]] = {}
    for values in result.fetchall():
        cells = dict(zip(names, values, strict=True))
        place = cells.pop("_source_file"), cells.pop("_row_number")
        text = cells.pop("_unreadable_row")
        found[place] = {"_unreadable_row": text} if text is not None else cells
    return found


@dataclass(frozen=True)
class Selection:
    """The part of the quarantine that a command is about: everything, or what matches every given value."""

    ids: tuple[str, ...] = ()  # or their beginnings
    source: str | None = None
    table: str | None = None
    delivered_on: str | None = None

    def fits(self, item: QuarantinedFile | QuarantinedRow) -> bool:
        """True if `item` is selected."""
        table = item.table if isinstance(item, QuarantinedFile) else item.table_name
        return (
            (not self.ids or any(item.id.startswith(start) for start in self.ids))
            and self.source in (None, item.source)
            and self.table in (None, table)
            and self.delivered_on in (None, item.delivered_on)
        )


def chosen(
    quarantine: Quarantine, selection: Selection, *states: State
) -> tuple[list[QuarantinedFile], list[QuarantinedRow]]:
    """The files and rows that match `selection` in any of `states`, by default in all.

    Raises:
        ConfigError: nothing in quarantine has one of the ids.
    """
    files = [file for file in quarantine.files.all() if selection.fits(file) and (not states or file.state in states)]
    rows = [row for row in quarantine.rows.rows(*states) if selection.fits(row)]
    ids = [file.id for file in files] + [row.id for row in rows]
    others = {file.id: file.state for file in quarantine.files.all()}
    others |= {row.id: row.state for row in quarantine.rows.rows()}
    for start in selection.ids:
        if any(item_id.startswith(start) for item_id in ids):
            continue
        if state := next((state for item_id, state in others.items() if item_id.startswith(start)), None):
            raise ConfigError(f"{start} is already {state}.")
        raise ConfigError(f"Nothing in quarantine has an id that begins with {start!r}. See `kpi quarantine list`.")
    return files, rows


def check_selection(quarantine: Quarantine, selection: Selection, sources: Iterable[Source]) -> None:
    """Ensure that the selected source and table exist, or have something in quarantine from when they existed.

    Raises:
        ConfigError: one does not exist; the message names those that do.
    """
    tables = {(source.name, name) for source in sources for name in source.tables}
    tables |= {(file.source, file.table) for file in quarantine.files.all()}
    tables |= {(row.source, row.table_name) for row in quarantine.rows.rows()}
    of_source = {table for source, table in tables if selection.source in (None, source)}
    for option, asked, known in (
        ("--source", selection.source, {source for source, _ in tables}),
        ("--table", selection.table, of_source),
    ):
        if asked is not None and asked not in known:
            near = difflib.get_close_matches(asked, known, n=1)
            meant = f" Did you mean {near[0]}?" if near else ""
            of = f" in {selection.source}" if option == "--table" and selection.source else ""
            raise ConfigError(f"{option} {asked}: not found{of}.{meant} Available: {', '.join(sorted(known))}.")


def make_ready(settings: Settings, files: Iterable[QuarantinedFile], rows: Iterable[QuarantinedRow]) -> list[date]:
    """Prepare files and rows so that the next run of their delivery days tries them again; return the days in order.

    Refused files go back to the landing folder; deliveries with unreadable rows are typed again. The operation is
    idempotent.
    """
    quarantine = Quarantine.of(settings)
    days = set()
    for file in files:
        quarantine.files.put_back(file)
        days.add(date.fromisoformat(file.delivered_on))
    deliveries = {(row.source, row.table_name, date.fromisoformat(row.delivered_on)) for row in rows}
    with sandboxed(settings.landing_dir, settings.raw_dir) as database:
        for source, table, day in sorted(deliveries):
            raw = raw_file(settings.raw_dir, source, table, day)
            if raw.exists():
                stamp_again(database, raw)
            days.add(day)
    return sorted(days)


def purge(quarantine: Quarantine, selection: Selection, older_than_days: int) -> tuple[int, int]:
    """Delete what was resolved or dismissed and first seen this long ago; return how many files and rows."""
    before = (datetime.now(UTC) - timedelta(days=older_than_days)).isoformat(timespec="seconds")
    files, rows = chosen(quarantine, selection, "resolved", "dismissed")
    old_files = [file for file in files if file.first_seen <= before]
    old_rows = [row for row in rows if row.first_seen <= before]
    for file in old_files:
        quarantine.files.purge(file)
    quarantine.rows.purge(old_rows)
    return len(old_files), len(old_rows)
