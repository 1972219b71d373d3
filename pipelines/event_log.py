"""Dagster's event log in SQLite, over connections that stay open.

Belongs here: how events reach the files. What they are, and how they are read, is Dagster's.

Dagster opens a connection for each of an event's two to four statements. Closing the last one to a file has SQLite
write back and delete the log beside it, with three flushes to the disk. A day has two thousand events: on the demo
company a third of its run went there, and half of what its checks take. The files are the same: either class reads
what the other wrote.
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

from pipelines.profiling import EVENTS, measured

_BUSY_SECONDS = 60
_MOST_OPEN = 8  # a file for each run, and one over all of them
_FORGET = (
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
    """The event log under `home`, the folder that holds `dagster.yaml`."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self._engines: OrderedDict[str, sa.Engine] = OrderedDict()  # the one used last stands last
        self._tables: set[str] = set()  # that are there
        super().__init__(base_dir, inst_data)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """In `dagster.yaml`: the folder, which an environment variable may name."""
        return {"home": StringSource}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> "EventLog":
        """Where Dagster has them by default."""
        return cls(str(Path(config_value["home"]) / "history" / "runs"), inst_data)

    def store_event(self, event: Any) -> None:
        """Store `event`, and let those know who watch its run's file: SQLite writes it to the one beside it first."""
        with measured(EVENTS):
            super().store_event(event)
            os.utime(self.path_for_shard(event.run_id))

    def has_table(self, table_name: str) -> bool:
        """Whether the file over all runs has a table. Dagster asks again for every event; tables come and stay."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def delete_events(self, run_id: str) -> None:
        """Forget a run's events, and its file, which Dagster would keep.

        What assets show as their newest stays: that each day of a table has landed, and how each check went. Dagster
        would say of a day whose run is forgotten that it is missing.
        """
        with self.index_connection() as connection:
            for statement in _FORGET:
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
                pass  # a new file has its tables now
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
    """An engine over one connection, which the lock of the log hands from thread to thread."""
    engine = sa.create_engine(
        address, poolclass=sa.StaticPool, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False}
    )

    @sa.event.listens_for(engine, "connect")
    def flush_less(connection: Any, _: Any) -> None:
        # A power cut may take the last events of a run that it has ended, too. The file stays whole.
        connection.execute("pragma synchronous = normal")

    return engine
