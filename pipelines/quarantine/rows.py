"""Stores delivered rows that could not be read, for longer than their delivery lasts.

Belongs here: the store, which holds the rows in quarantine, since when they are there, and what people decided about
them. These are records of its own, which survive a rebuilt warehouse.
Does not belong here: where the rows are found (`pipelines/quarantine/decisions.py`).
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from pipelines.damage import store_errors
from pipelines.database import Connection, Records

State = Literal["open", "resolved", "dismissed"]

_BUSY_SECONDS = 30


@dataclass(frozen=True)
class QuarantinedRow:
    """One delivered row that is in no KPI.

    Attributes:
        id: id of the row's position: source, table, file and row number.
        cells: the delivered cells as text, by column; if the row cannot be parsed, its text as `_unreadable_row`.
        row_hash: hash of the cells.
        read_from: the version of the raw file that the cells were read from.
        rule: why the row cannot be read.
        first_seen: UTC time, ISO.
        state: `open`; `resolved` if the row at that position is now readable; `dismissed` if somebody dismissed it.
    """

    id: str
    source: str
    table_name: str
    delivered_on: str
    source_file: str
    row_number: int
    row_hash: str
    read_from: str
    rule: str
    cells: Mapping[str, str | None]
    first_seen: str
    state: State = "open"
    note: str = ""


_NAMES = [one.name for one in fields(QuarantinedRow)]
SCHEMA = f"""
create table if not exists quarantined_rows (
    {", ".join(name + (" integer" if name == "row_number" else " text") + " not null" for name in _NAMES)},
    primary key (id)
)
"""


@dataclass(frozen=True)
class QuarantinedRows:
    """The store in the SQLite file `path`, which is created on first use, or in the database with this URL."""

    path: Path
    database: str | None = field(default=None, repr=False)

    def update(self, found: Iterable[QuarantinedRow], now: str) -> None:
        """Bring the store up to date with what is in quarantine now.

        A new row is open. A row that changed or came back is open again. An open row that is no longer there is
        resolved.
        """
        known = {row.id: row for row in self.rows()}
        current = {row.id: row for row in found}
        changed = []
        for row in current.values():
            before = known.get(row.id)
            if before is None or before.state == "resolved" or before.row_hash != row.row_hash:
                changed.append(row)
            elif (before.rule, before.read_from) != (row.rule, row.read_from):
                changed.append(_changed(row, first_seen=before.first_seen, state=before.state, note=before.note))
        changed += [
            _changed(row, state="resolved", note=f"readable since {now}")
            for row in known.values()
            if row.state == "open" and row.id not in current
        ]
        self._write(changed)

    def rows(self, *states: State) -> list[QuarantinedRow]:
        """The rows in any of `states`, or all rows, in the order of their deliveries."""
        marks = ", ".join("?" for _ in states)
        where = f"where state in ({marks})" if states else ""
        order = "order by source, table_name, delivered_on, source_file, row_number"
        with self._connection() as connection:
            found = connection.execute(f"select {', '.join(_NAMES)} from quarantined_rows {where} {order}", states)
            return [_from_row(row) for row in found]

    def dismiss(self, rows: Iterable[QuarantinedRow], note: str) -> None:
        """Record that these rows do not matter."""
        self._write(_changed(row, state="dismissed", note=note) for row in rows)

    def purge(self, rows: Iterable[QuarantinedRow]) -> None:
        """Delete these rows and their contents."""
        with self._connection(alone=True) as connection:
            connection.executemany("delete from quarantined_rows where id = ?", [(row.id,) for row in rows])
        if not self.database:
            with self._file() as connection:
                connection.execute("pragma wal_checkpoint(truncate)")

    def _write(self, rows: Iterable[QuarantinedRow]) -> None:
        marks = ", ".join("?" for _ in _NAMES)
        new = ", ".join(f"{name} = excluded.{name}" for name in _NAMES)
        with self._connection(alone=True) as connection:
            connection.executemany(
                f"insert into quarantined_rows ({', '.join(_NAMES)}) values ({marks}) "
                f"on conflict (id) do update set {new}",
                map(_to_row, rows),
            )

    @contextmanager
    def _connection(self, *, alone: bool = False) -> Iterator[Connection]:
        """A transaction in the file or the database. In the database, those who are `alone` wait for each other."""
        opened = self._file()
        if self.database:
            records = Records(self.database, "kpi_quarantine", SCHEMA, _BUSY_SECONDS, self.path, self._file)
            opened = records.transaction(alone=alone)
        with opened as connection:
            yield connection

    @contextmanager
    def _file(self) -> Iterator[Connection]:
        """A connection that waits for other writers, commits if the block succeeds, and is always closed."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with store_errors(self.path), closing(sqlite3.connect(self.path, timeout=_BUSY_SECONDS)) as connection:
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma secure_delete = on")  # purged rows also disappear from the file
            connection.execute(SCHEMA)
            with connection:
                yield connection


def _changed(row: QuarantinedRow, **changes: str) -> QuarantinedRow:
    return QuarantinedRow(**{**{name: getattr(row, name) for name in _NAMES}, **changes})


def _to_row(row: QuarantinedRow) -> list[object]:
    return [json.dumps(row.cells, ensure_ascii=False) if name == "cells" else getattr(row, name) for name in _NAMES]


def _from_row(values: tuple[object, ...]) -> QuarantinedRow:
    by_name = dict(zip(_NAMES, values, strict=True))
    return QuarantinedRow(**by_name | {"cells": json.loads(str(by_name["cells"]))})  # type: ignore[arg-type]
