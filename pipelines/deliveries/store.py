"""Stores what checks and people said about each delivery, in records of its own that survive a rebuilt warehouse.

Belongs here: the newest verdict of each delivery and stage, and every acceptance.
Does not belong here: what follows from them (`standing.py`).
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from pipelines.damage import store_errors
from pipelines.database import Connection, Records

Stage = Literal["raw", "staging"]

_BUSY_SECONDS = 30
SCHEMA = """
create table if not exists verdicts (
    source text not null,
    table_name text not null,
    delivered_on text not null,
    stage text not null,
    landing text not null,
    loaded_at text,
    problems text not null,
    run_id text not null,
    judged_at text not null,
    primary key (source, table_name, delivered_on, stage)
);
create table if not exists acceptances (
    acceptance_id integer primary key,
    source text not null,
    table_name text not null,
    delivered_on text not null,
    content text not null,
    with_rows integer not null,
    decided_by text not null,
    reason text not null,
    accepted_at text not null
);
"""
_RECORD = """
insert into verdicts values (?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (source, table_name, delivered_on, stage) do update set
    landing = excluded.landing,
    loaded_at = excluded.loaded_at,
    problems = excluded.problems,
    run_id = excluded.run_id,
    judged_at = excluded.judged_at
"""


@dataclass(frozen=True)
class Verdict:
    """What the checks of one stage said about a delivery.

    Attributes:
        landing: the landing of the delivery that was judged; the verdict is not valid for another landing.
        loaded_at: when that landing was loaded, according to its rows; None if it has no rows.
        failures: what each critical check that failed found, by its name; empty if the delivery passed.
    """

    source: str
    table: str
    delivered_on: date
    stage: Stage
    landing: str
    loaded_at: datetime | None
    failures: dict[str, str]
    run_id: str
    judged_at: str

    @property
    def passed(self) -> bool:
        return not self.failures

    @property
    def problems(self) -> tuple[str, ...]:
        """A sentence for each failure, which begins with the check's name."""
        return tuple(f"{check}: {finding}" for check, finding in self.failures.items())


@dataclass(frozen=True)
class Acceptance:
    """A person's decision about a delivery that was rejected or is missing.

    Attributes:
        content: what had been delivered when the person decided; different bytes void the decision.
        with_rows: True if its rows count; False if the pipeline goes on without them.
        accepted_at: UTC time, ISO.
    """

    source: str
    table: str
    delivered_on: date
    content: str
    with_rows: bool
    decided_by: str
    reason: str
    accepted_at: str


@dataclass(frozen=True)
class DeliveryStore:
    """The record in the SQLite file `path`, which is created on the first write, or in the database with this URL."""

    path: Path
    database: str | None = field(default=None, repr=False)

    def verdicts(self) -> list[Verdict]:
        """The newest verdict of each delivery and stage."""
        if not self._exists:
            return []
        with self._connection() as connection:
            rows = connection.execute(
                "select source, table_name, delivered_on, stage, landing, loaded_at, problems, run_id, judged_at "
                "from verdicts"
            ).fetchall()
        return [
            Verdict(
                source,
                table,
                date.fromisoformat(day),
                stage,
                landing,
                datetime.fromisoformat(loaded_at) if loaded_at else None,
                _failures(json.loads(problems)),
                run_id,
                judged_at,
            )
            for source, table, day, stage, landing, loaded_at, problems, run_id, judged_at in rows
        ]

    def record(self, verdicts: Iterable[Verdict]) -> None:
        """Replace the verdicts on these deliveries at these stages, all or nothing."""
        rows = [
            (
                verdict.source,
                verdict.table,
                str(verdict.delivered_on),
                verdict.stage,
                verdict.landing,
                verdict.loaded_at.isoformat() if verdict.loaded_at else None,
                json.dumps(verdict.failures, ensure_ascii=False),
                verdict.run_id,
                verdict.judged_at,
            )
            for verdict in verdicts
        ]
        if not rows:
            return
        with self._connection(alone=True) as connection:
            connection.executemany(_RECORD, rows)

    def forget(self, source: str, table: str, days: Iterable[date], stage: Stage) -> None:
        """Delete the verdicts on these deliveries at `stage`, so that they are judged again."""
        with self._connection(alone=True) as connection:
            connection.executemany(
                "delete from verdicts where source = ? and table_name = ? and delivered_on = ? and stage = ?",
                [(source, table, str(day), stage) for day in days],
            )

    def acceptances(self) -> dict[tuple[str, str, date], Acceptance]:
        """The newest acceptance of each delivery, by (source, table, delivery day)."""
        if not self._exists:
            return {}
        with self._connection() as connection:
            rows = connection.execute(
                "select source, table_name, delivered_on, content, with_rows, decided_by, reason, accepted_at "
                "from acceptances order by acceptance_id"
            ).fetchall()
        return {
            (source, table, date.fromisoformat(day)): Acceptance(
                source, table, date.fromisoformat(day), content, bool(with_rows), decided_by, reason, accepted_at
            )
            for source, table, day, content, with_rows, decided_by, reason, accepted_at in rows
        }

    def accept(self, acceptance: Acceptance) -> None:
        """Store a decision; earlier decisions about the same delivery stay on record."""
        with self._connection() as connection:
            connection.execute(
                "insert into acceptances (source, table_name, delivered_on, content, with_rows, decided_by, reason, "
                "accepted_at) values (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    acceptance.source,
                    acceptance.table,
                    str(acceptance.delivered_on),
                    acceptance.content,
                    int(acceptance.with_rows),
                    acceptance.decided_by,
                    acceptance.reason,
                    acceptance.accepted_at,
                ),
            )

    @property
    def _exists(self) -> bool:
        return self.database is not None or self.path.exists()

    @contextmanager
    def _connection(self, *, alone: bool = False) -> Iterator[Connection]:
        """A transaction in the file or the database. In the database, those who are `alone` wait for each other."""
        opened = self._file()
        if self.database:
            records = Records(self.database, "kpi_deliveries", SCHEMA, _BUSY_SECONDS, self.path, self._file)
            opened = records.transaction(alone=alone)
        with opened as connection:
            yield connection

    @contextmanager
    def _file(self) -> Iterator[Connection]:
        """A connection that waits for other writers, commits if the block succeeds, and is always closed."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with store_errors(self.path), closing(sqlite3.connect(self.path, timeout=_BUSY_SECONDS)) as connection:
            connection.execute("pragma journal_mode = wal")
            connection.executescript(SCHEMA)
            with connection:
                yield connection


def _failures(stored: dict[str, str] | list[str]) -> dict[str, str]:
    """The failures of a verdict; versions before 0.2 stored sentences that begin with the check's name."""
    if isinstance(stored, dict):
        return stored
    return {check: finding for check, _, finding in (problem.partition(": ") for problem in stored)}
