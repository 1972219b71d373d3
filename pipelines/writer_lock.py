"""The lock of the one process that writes the warehouse: of one machine, or with a database, of all hosts.

Belongs here: who holds it, and what others say about that. Does not belong here: what its holder keeps open
(`warehouse.py`).
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from socket import gethostname
from typing import Protocol
from uuid import uuid4

from filelock import FileLock, Timeout

from pipelines.damage import StoreError
from pipelines.database import Connection, HostsLock, Records, place_of
from pipelines.disk import write_whole

_UNKNOWN = "an unknown process"
_TABLES = """
create table if not exists holder (session integer not null, who text not null);
create table if not exists installation (id text not null);
"""


class WriterLock(Protocol):
    """The lock of the warehouse, as this process sees it."""

    @property
    def is_locked(self) -> bool:
        """Whether this process has acquired it."""

    def acquire(self, who: str, *, wait: bool) -> bool:
        """Acquire it for `who`; without `wait`, only if nobody else holds it. Return whether it is acquired."""

    def holder(self) -> str:
        """Who holds it, since when, as far as that is known; empty if it is not known."""

    def is_free(self) -> bool:
        """Whether no process holds it."""

    def check(self) -> None:
        """Ensure that this process still has what it has acquired.

        Raises:
            StoreError: it has lost it.
        """

    def release(self) -> None:
        """Give it up, if this process holds it."""


def writer_lock(warehouse: Path, database: str | None) -> WriterLock:
    """The lock of this warehouse. Two of them in one process exclude each other."""
    return _OfHosts(warehouse, database) if database else _OfMachine(warehouse)


def writer_of(warehouse: Path, database: str | None) -> str | None:
    """Who writes the warehouse: the words of `WriterLock.holder`; None if nobody does.

    Raises:
        StoreError: the database cannot be used.
    """
    lock = writer_lock(warehouse, database)
    return None if lock.is_free() else lock.holder() or _UNKNOWN


def _since() -> str:
    return f"since {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


class _OfMachine:
    """A file's lock, which belongs to the operating system, so it is free after its holder was killed."""

    def __init__(self, warehouse: Path) -> None:
        self._file = warehouse.with_suffix(".lock")
        self._holder = warehouse.with_suffix(".writer")
        self._lock = FileLock(self._file, thread_local=False)

    @property
    def is_locked(self) -> bool:
        return self._lock.is_locked

    def acquire(self, who: str, *, wait: bool) -> bool:
        try:
            self._lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            return False
        self._holder.write_text(f"{who}, process {os.getpid()}, {_since()}", encoding="utf-8")
        return True

    def holder(self) -> str:
        return self._holder.read_text(encoding="utf-8", errors="replace") if self._holder.exists() else ""

    def is_free(self) -> bool:
        if not self._file.exists():
            return True
        try:
            with FileLock(self._file, timeout=0):
                return True
        except Timeout:
            return False
        except OSError:  # `kpi doctor` reports permissions
            return True

    def check(self) -> None:
        """The operating system takes no lock away."""

    def release(self) -> None:
        self._lock.release(force=True)


class _OfHosts:
    """A lock in the database, and a row that says who holds it."""

    def __init__(self, warehouse: Path, database: str) -> None:
        self._warehouse = warehouse
        self._database = database
        self._lock = HostsLock(database, "writer")
        self._records = Records(database, "kpi_writer", _TABLES)

    @property
    def is_locked(self) -> bool:
        return self._lock.is_locked

    def acquire(self, who: str, *, wait: bool) -> bool:
        if not self._lock.acquire(None if wait else 0):
            return False
        try:
            with self._records.transaction(alone=True) as connection:
                self._check_installation(connection)
                connection.execute("delete from holder")
                connection.execute(
                    "insert into holder values (?, ?)",
                    (self._lock.session, f"{who}, process {os.getpid()} on {gethostname()}, {_since()}"),
                )
        except BaseException:
            self._lock.release()
            raise
        return True

    def holder(self) -> str:
        sessions = self._lock.holders()
        with self._records.transaction(alone=False) as connection:
            rows = connection.execute("select session, who from holder").fetchall()
        return next((who for session, who in rows if session in sessions), "")

    def is_free(self) -> bool:
        return not self._lock.holders()

    def check(self) -> None:
        if self._lock.is_locked and not self._lock.still_held():
            raise StoreError(
                f"The connection to {place_of(self._database)} was lost, and with it the lock of "
                f"{self._warehouse.name}: another host may be writing it. Nothing was published; when the database can "
                "be reached, type the command again."
            )

    def release(self) -> None:
        self._lock.release()

    def _check_installation(self, connection: Connection) -> None:
        """Ensure that the data folder is that of all who use the database: both have the same id.

        Raises:
            StoreError: it is another one, or the empty place where it is usually mounted.
        """
        file = self._warehouse.with_name(".installation")
        here = file.read_text(encoding="utf-8").strip() if file.exists() else None
        known = connection.execute("select id from installation").fetchone()
        if known is None:
            connection.execute("insert into installation values (?)", (here or str(uuid4()),))
            known = connection.execute("select id from installation").fetchone()
            if here is None:
                write_whole(file, f"{known[0]}\n")
        elif known[0] != here:
            raise StoreError(
                f"{file.parent} is not the data folder whose records are in {place_of(self._database)}: {file.name} in "
                f"it is {'missing' if here is None else 'of another one'}. Check that the folder is mounted, and that "
                "DATA_DIR and the database are of one installation. If this folder takes the place of the other one, "
                "have the database forget it: delete from kpi_writer.installation."
            )
