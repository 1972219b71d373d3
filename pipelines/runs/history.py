"""Reads what Dagster has recorded about runs, schedule and daemon from its SQLite files, without importing Dagster.

Belongs here: the few columns that a response within a second needs; the import of Dagster alone takes longer.
Does not belong here: events and checks, which Dagster itself reads, and writing anything.

The tables belong to Dagster. A test has Dagster write what this module reads, and so detects an upgrade that changes
them.
"""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pipelines.damage import store_errors
from pipelines.partitions import days_of_run

JOB, SCHEDULE = "daily", "daily_schedule"  # their names in `definitions.py`

_ENDED = ("SUCCESS", "FAILURE", "CANCELED")
_BUSY_SECONDS = 2


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
    """The files below `home`, the folder that contains `dagster.yaml`. Without files, nothing has happened yet."""

    home: Path

    def runs(self, limit: int = 30) -> list[Run]:
        """The newest runs of the daily job, newest first.

        Raises:
            StoreError: the file cannot be read.
        """
        rows = self._rows(
            "history/runs.db",
            "select runs.run_id, runs.status, runs.create_timestamp, runs.start_time, runs.end_time, "
            '(select json_group_object(tags."key", tags.value) from run_tags as tags where tags.run_id = runs.run_id) '
            "from runs where runs.pipeline_name = ? order by runs.id desc limit ?",
            JOB,
            limit,
        )
        return [
            Run(
                run_id,
                status,
                tuple(days_of_run(json.loads(tags))),
                _moment(start) if start else datetime.fromisoformat(created).replace(tzinfo=UTC),
                _moment(end) if end else None,
            )
            for run_id, status, created, start, end, tags in rows
        ]

    def daemon_seen_at(self) -> datetime | None:
        """The daemon's last sign of life; None if it never ran here.

        Raises:
            StoreError: the file cannot be read.
        """
        rows = self._rows("history/runs.db", "select max(json_extract(body, '$.timestamp')) from daemon_heartbeats")
        return next((_moment(timestamp) for (timestamp,) in rows if timestamp), None)

    def switch(self) -> bool | None:
        """The position of the schedule's switch in the UI; None if nobody has used it.

        Raises:
            StoreError: the file cannot be read.
        """
        rows = self._rows(
            "schedules/schedules.db",
            "select status from instigators where json_extract(instigator_body, '$.origin.job_name') = ? "
            "and status in ('RUNNING', 'STOPPED')",
            SCHEDULE,
        )
        return next((status == "RUNNING" for (status,) in rows), None)

    def _rows(self, name: str, query: str, *values: object) -> list[tuple[Any, ...]]:
        path = self.home / name
        if not path.exists() or not path.stat().st_size:  # Dagster makes the tables of an empty file
            return []
        with store_errors(path), closing(_read_only(path)) as connection:
            return connection.execute(query, values).fetchall()


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)


def _moment(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
