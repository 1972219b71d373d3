"""Reads what Dagster has recorded about runs, schedule and daemon from its tables, without importing Dagster.

Belongs here: the few columns that a response within a second needs; the import of Dagster alone takes longer.
Does not belong here: events and checks, which Dagster itself reads, and writing anything.

The tables belong to Dagster. A test has Dagster write what this module reads, and so detects an upgrade that changes
them.
"""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pipelines.damage import store_errors
from pipelines.database import connected, errors_in_words
from pipelines.partitions import days_of_run

JOB, SCHEDULE = "daily", "daily_schedule"  # their names in `definitions.py`

_ENDED = ("SUCCESS", "FAILURE", "CANCELED")
_BUSY_SECONDS = 2
_RUNS = "history/runs.db"


@dataclass(frozen=True)
class Run:
    """A run of the daily job. Times are UTC; if it has not begun, `started_at` is when it was requested."""

    run_id: str
    status: str  # as Dagster names it
    days: tuple[date, ...]
    started_at: datetime
    ended_at: datetime | None

    @property
    def has_ended(self) -> bool:
        return self.status in _ENDED

    @property
    def has_failed(self) -> bool:
        return self.status == "FAILURE"


@dataclass(frozen=True)
class DagsterHistory:
    """The files below `home`, the folder that contains `dagster.yaml`, or the database with this URL.

    Without files or tables, nothing has happened yet.
    """

    home: Path
    database: str | None = field(default=None, repr=False)

    def runs(self, limit: int = 30) -> list[Run]:
        """The newest runs of the daily job, newest first.

        Raises:
            StoreError: the file cannot be read.
        """
        rows = self._rows(
            _RUNS,
            "select run_id, status, create_timestamp, start_time, end_time from runs "
            "where pipeline_name = ? order by id desc limit ?",
            JOB,
            limit,
        )
        marks = ", ".join("?" for _ in rows) or "null"
        query = f'select run_id, "key", value from run_tags where run_id in ({marks})'
        tags: dict[str, dict[str, str]] = {}
        for run_id, key, value in self._rows(_RUNS, query, *(run_id for run_id, *_ in rows)):
            tags.setdefault(run_id, {})[key] = value
        return [
            Run(
                run_id,
                status,
                tuple(days_of_run(tags.get(run_id, {}))),
                _moment(start) if start else datetime.fromisoformat(str(created)).replace(tzinfo=UTC),
                _moment(end) if end else None,
            )
            for run_id, status, created, start, end in rows
        ]

    def daemon_seen_at(self) -> datetime | None:
        """The daemon's last sign of life; None if it never ran here.

        Raises:
            StoreError: the file cannot be read.
        """
        beats = [json.loads(body)["timestamp"] for (body,) in self._rows(_RUNS, "select body from daemon_heartbeats")]
        return _moment(max(beats)) if beats else None

    def switch(self) -> bool | None:
        """The position of the schedule's switch in the UI; None if nobody has used it.

        Raises:
            StoreError: the file cannot be read.
        """
        rows = self._rows(
            "schedules/schedules.db",
            "select status, instigator_body from instigators where status in ('RUNNING', 'STOPPED')",
        )
        of_the_schedule = (status for status, body in rows if json.loads(body)["origin"]["job_name"] == SCHEDULE)
        return next((status == "RUNNING" for status in of_the_schedule), None)

    def _rows(self, name: str, query: str, *values: object) -> list[tuple[Any, ...]]:
        if self.database:
            return _shared_rows(self.database, query, values)
        path = self.home / name
        if not path.exists() or not path.stat().st_size:  # Dagster makes the tables of an empty file
            return []
        with store_errors(path), closing(_read_only(path)) as connection:
            return connection.execute(query, values).fetchall()


def _shared_rows(database: str, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
    with errors_in_words(database), connected(database) as connection:
        if connection.execute("select to_regclass('runs'), to_regclass('instigators')").fetchone() == (None, None):
            return []
        return connection.execute(query.replace("?", "%s").encode(), values).fetchall()


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)


def _moment(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
