"""Dagster's event log in SQLite, on connections that stay open.

Belongs here: how events reach the files. What events are, and how they are read, is up to Dagster.

Dagster opens a connection for each of an event's two to four statements. When the last connection to a file closes,
SQLite writes back and deletes the write-ahead log, with three flushes to the disk. A day has two thousand events: for
the demo company, this took a third of the run's time, and half of the time of its checks. The files are the same:
either class reads what the other wrote.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dagster import StringSource
from dagster._core.storage.event_log import SqliteEventLogStorage  # there is no public name; dagster.yaml names it, too

from pipelines.runs.profiling import EVENTS, measured

_BUSY_SECONDS = 60
_MOST_OPEN = 8  # a file for each run, and one for all runs
FORGET_EVENTS = (
    """
    delete from event_logs where run_id = :run_id and id not in (
        select max(id) from event_logs
        where dagster_event_type = 'ASSET_MATERIALIZATION' group by asset_key, partition
    )
    """,
    "delete from asset_event_tags where event_id not in (select id from event_logs)",
    """
    delete from asset_check_executions where run_id = :run_id and id not in (
        select max(id) from asset_check_executions group by asset_key, check_name
    )
    """,
)


class EventLog(SqliteEventLogStorage):
    """The event log under `home`, the folder that contains `dagster.yaml`."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self._engines: OrderedDict[str, sa.Engine] = OrderedDict()  # the one used last comes last
        self._tables: set[str] = set()  # tables that exist
        super().__init__(base_dir, inst_data)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """The configuration in `dagster.yaml`: the folder, which an environment variable may name."""
        return {"home": StringSource}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> "EventLog":
        """The log in the folder that Dagster uses by default."""
        return cls(str(Path(config_value["home"]) / "history" / "runs"), inst_data)

    def store_event(self, event: Any) -> None:
        """Store `event`, and notify those who watch the run's file: SQLite first writes to the log file next to it."""
        with measured(EVENTS):
            super().store_event(event)
            os.utime(self.path_for_shard(event.run_id))

    def has_table(self, table_name: str) -> bool:
        """Whether the file for all runs has a table. Dagster asks again for every event, but tables never disappear."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def delete_events(self, run_id: str) -> None:
        """Delete a run's events, and its file, which Dagster would keep.

        The newest state that assets show stays: that each day of a table has landed, and the result of each check.
        Otherwise, Dagster would report a day as missing after its run has been deleted.
        """
        with self.index_connection() as connection:
            for statement in FORGET_EVENTS:
                connection.execute(sa.text(statement), {"run_id": run_id})
        self.free_concurrency_slots_for_run(run_id)
        with self._db_lock:
            if engine := self._engines.pop(run_id, None):
                engine.dispose()
        self._initialized_dbs.discard(run_id)
        file = Path(self.path_for_shard(run_id))
        for part in (file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")):
            part.unlink(missing_ok=True)

    def wipe(self) -> None:
        """Delete all events."""
        self._close()
        super().wipe()

    def dispose(self) -> None:
        """Close all files."""
        super().dispose()
        self._close()

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        if shard not in self._initialized_dbs:
            with super()._connect(shard):
                pass  # a new file now has its tables
        with self._db_lock, self._engine(shard).begin() as connection:
            yield connection

    def _engine(self, shard: str) -> sa.Engine:
        if shard not in self._engines:
            self._engines[shard] = _one_connection(self.conn_string_for_shard(shard))
            if len(self._engines) > _MOST_OPEN:
                _, longest_unused = self._engines.popitem(last=False)
                longest_unused.dispose()
        self._engines.move_to_end(shard)
        return self._engines[shard]

    def _close(self) -> None:
        with self._db_lock:
            while self._engines:
                _, engine = self._engines.popitem()
                engine.dispose()


def _one_connection(address: str) -> sa.Engine:
    """An engine with one connection, which threads share under the lock of the log."""
    engine = sa.create_engine(
        address, poolclass=sa.StaticPool, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False}
    )

    @sa.event.listens_for(engine, "connect")
    def flush_less(connection: Any, _: Any) -> None:
        # A power cut may lose the last events of a run that it also ended. The file stays intact.
        connection.execute("pragma synchronous = normal")

    return engine
