"""The publication that the pages read: opened once, and again when a newer one has replaced it.

Belongs here: connections, and what is read once per publication. Does not belong here: any page.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb

from pipelines.blocked_runs import BlockedRun, blocked_run
from pipelines.warehouse import NO_PROGRESS_BAR, open_published, published_path

_MEMORY = "256MB"


@dataclass(frozen=True)
class Opened:
    """A publication, open for reading, and what has been read of it once for all pages."""

    path: Path
    connection: duckdb.DuckDBPyConnection
    known: dict[str, Any] = field(default_factory=dict)
    blocked_run: BlockedRun | None = None  # the last run, if it published nothing


class Publications:
    """The current publication of a folder.

    A request reads one publication from its first query to its last: a newer one, or a rollback, counts from the next
    request on.
    """

    def __init__(self, published_dir: Path) -> None:
        self._published_dir = published_dir
        self._lock = threading.Lock()
        self._opened: Opened | None = None

    @contextmanager
    def current(self) -> Iterator[tuple[duckdb.DuckDBPyConnection, Opened]]:
        """A connection of its own to the current publication.

        Raises:
            NotPublishedError: nothing has been published yet.
        """
        with self._lock:
            # The path of the publication itself: of the link's, DuckDB would return the file that it opened before.
            path = published_path(self._published_dir)
            if self._opened is None or self._opened.path != path:
                self._opened = Opened(path, open_published(path, _MEMORY))
            opened = replace(self._opened, blocked_run=blocked_run(self._published_dir))
            cursor = opened.connection.cursor()
        with cursor:
            cursor.execute("use kpi")
            cursor.execute(NO_PROGRESS_BAR)
            yield cursor, opened
