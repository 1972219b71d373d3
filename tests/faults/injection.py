"""A fault at step n of a process: what a disk, a power cut or `kill -9` can do to it, once for each of its steps.

A step is what a process asks of a disk: to open a file for writing, to write to it, to rename, link, delete or make
one, to wait for the disk, or to execute a statement of SQLite or DuckDB. Both also write in C, where no step can be
counted; there, the kernel injects the fault: it cuts the write that would make a file larger than a limit, and fails it
or kills the process. Neither needs a clock: the same step of the same operation fails in the same way each time.

Belongs here: the faults, and counting steps. Does not belong here: operations and what must be true after a fault
(`trials.py`).
"""

import builtins
import errno
import io
import os
import resource
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb


class Fault(StrEnum):
    """What happens at a step.

    A full disk stays full for the rest of the process; the others happen once.
    """

    KILLED = "killed"
    TORN = "killed in a write"
    IO_ERROR = "I/O error"
    FULL = "disk full"
    FORBIDDEN = "forbidden"
    SHORT = "short write"  # the kernel's: a part is written, then the disk is full
    READER = "a reader"  # no fault: somebody reads at this step
    AWAITED = "killed, awaited"  # another process does the same at this step, and waits for this one if it has to
    TWICE = "two at once"  # no fault: another process does the same at this step


KILLS = (Fault.KILLED, Fault.TORN, Fault.AWAITED)
OF_TWO = (Fault.AWAITED, Fault.TWICE)
OF_ONE = tuple(fault for fault in Fault if fault not in (Fault.READER, *OF_TWO))
BY_SIZE = (Fault.TORN, Fault.SHORT)  # the step is a number of blocks that a file may have
_AT_EACH_STATEMENT = (None, *KILLS, *OF_TWO, Fault.READER)  # the others only where something is written
BLOCK = 512  # bytes
_ERRORS = {Fault.IO_ERROR: errno.EIO, Fault.FULL: errno.ENOSPC, Fault.FORBIDDEN: errno.EACCES}
_OF_SQLITE = {
    Fault.IO_ERROR: (sqlite3.SQLITE_IOERR, "disk I/O error"),
    Fault.FULL: (sqlite3.SQLITE_FULL, "database or disk is full"),
    Fault.FORBIDDEN: (sqlite3.SQLITE_READONLY, "attempt to write a readonly database"),
}
# What a full disk refuses. It still renames and deletes.
_TAKES_SPACE = {"open", "write", "mkdir", "symlink", "link", "fsync", "duckdb", "sqlite"}
_CHANGES = ("rename", "replace", "link", "symlink", "unlink", "remove", "mkdir", "rmdir", "fsync")
# What no disk needs to write for.
_READS = ("select", "with", "from", "pragma", "describe", "set ", "attach", "detach", "use ", "begin", "rollback")


class Steps:
    """Counts the steps of this process below `folder`, and has `fault` happen at step `at`.

    `other` is what somebody else does then, for faults that need it.
    """

    def __init__(self, folder: Path, fault: Fault | None, at: int, other: Callable[[], None] | None = None) -> None:
        self.count = 0
        self.last = ""
        self._folder, self._fault, self._at, self._other = str(folder), fault, at, other
        self._is_busy = False

    def take(self, kind: str, path: object, do: Callable[[], Any]) -> Any:
        """Do what the process asks for, unless it fails at this step."""
        if self._is_busy or not self._concerns(kind, path):
            return do()
        self.count += 1
        is_now = self.count == self._at or (self._fault is Fault.FULL and 0 < self._at < self.count)
        if self._fault is None or not is_now:
            return do()
        self.last = self.last or f"{kind} {path}"
        if self._other:
            self._is_busy = True
            self._other()
            self._is_busy = False
        if self._fault in (Fault.READER, Fault.TWICE):
            pass
        elif self._fault in KILLS:
            os.kill(os.getpid(), signal.SIGKILL)
        elif self._fault is not Fault.FULL or kind in _TAKES_SPACE:
            raise self._error(kind, path)
        return do()

    def _concerns(self, kind: str, path: object) -> bool:
        if kind in ("duckdb", "sqlite"):
            return self._fault in _AT_EACH_STATEMENT or not str(path).strip().lower().startswith(_READS)
        if isinstance(path, int):
            path = _file_of(path)
        return os.path.abspath(os.fsdecode(path)).startswith(self._folder)  # type: ignore[arg-type]  # noqa: PTH100

    def _error(self, kind: str, path: object) -> Exception:
        assert self._fault
        number = _ERRORS[self._fault]
        if kind == "sqlite":
            code, words = _OF_SQLITE[self._fault]
            error = sqlite3.OperationalError(words)
            error.sqlite_errorcode = code
            return error
        if kind == "duckdb":
            return duckdb.IOException(f'IO Error: Could not write file "{self._folder}/x": {os.strerror(number)}')
        named = () if isinstance(path, int) or kind == "write" else (os.fsdecode(path),)  # type: ignore[arg-type]
        return OSError(number, os.strerror(number), *named)


def _file_of(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


@contextmanager
def counted(steps: Steps) -> Iterator[Steps]:
    """Every step of the block is counted by `steps`."""

    def changing(name: str) -> Callable[..., Any]:
        original = getattr(os, name)

        @wraps(original)
        def change(path: Any, *arguments: Any, **options: Any) -> Any:
            below = options.get("dir_fd")
            whole = path if below is None else f"{_file_of(below)}/{os.fsdecode(path)}"
            return steps.take(name, whole, lambda: original(path, *arguments, **options))

        return change

    really_open = io.open

    def open_file(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if isinstance(file, int) or not set(mode) & set("wax+"):
            return really_open(file, mode, *arguments, **options)
        opened = steps.take("open", file, lambda: really_open(file, mode, *arguments, **options))
        write = opened.write

        def write_step(text: Any) -> Any:
            return steps.take("write", file, lambda: write(text))

        with suppress(AttributeError):  # a file without buffer, whose writes the kernel can cut
            opened.write = write_step
        return opened

    execute, executemany = duckdb.DuckDBPyConnection.execute, duckdb.DuckDBPyConnection.executemany
    connect = sqlite3.connect

    def of_duckdb(original: Any) -> Any:
        def statement(self: Any, sql: Any, *arguments: Any, **options: Any) -> Any:
            return steps.take("duckdb", sql, lambda: original(self, sql, *arguments, **options))

        return statement

    def connect_counted(*given: Any, **options: Any) -> Any:
        return connect(*given, **{"factory": Connection, **options})

    class Cursor(sqlite3.Cursor):
        def execute(self, sql: str, *arguments: Any) -> Any:
            return steps.take("sqlite", sql, lambda: super(Cursor, self).execute(sql, *arguments))

        def executemany(self, sql: str, *arguments: Any) -> Any:
            return steps.take("sqlite", sql, lambda: super(Cursor, self).executemany(sql, *arguments))

    class Connection(sqlite3.Connection):
        def cursor(self, factory: Any = Cursor) -> Any:
            return super().cursor(factory)

        def execute(self, sql: str, *arguments: Any) -> Any:
            return self.cursor().execute(sql, *arguments)

        def executemany(self, sql: str, *arguments: Any) -> Any:
            return self.cursor().executemany(sql, *arguments)

        def executescript(self, sql: str) -> Any:
            return steps.take("sqlite", sql, lambda: super(Connection, self).executescript(sql))

        def commit(self) -> None:
            steps.take("sqlite", "commit", super().commit)

        def __exit__(self, *error: Any) -> Any:
            if error[0] is None:
                steps.take("sqlite", "commit", lambda: None)
            return super().__exit__(*error)

    with (
        mock.patch.multiple(os, **{name: changing(name) for name in _CHANGES}),
        mock.patch.object(io, "open", open_file),
        mock.patch.object(builtins, "open", open_file),
        mock.patch.object(duckdb.DuckDBPyConnection, "execute", of_duckdb(execute)),
        mock.patch.object(duckdb.DuckDBPyConnection, "executemany", of_duckdb(executemany)),
        mock.patch.object(
            sqlite3, "connect", lambda *given, **options: connect(*given, **{"factory": Connection, **options})
        ),
    ):
        yield steps


def limit_files(fault: Fault, blocks: int) -> None:
    """Have the kernel cut the write that would make any file of this process larger, and kill or fail it there."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL if fault is Fault.TORN else signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (blocks * BLOCK, resource.RLIM_INFINITY))
