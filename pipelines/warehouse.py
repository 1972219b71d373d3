"""DuckDB connections: the only place that opens the warehouse or the published file.

Belongs here: how a file is opened and what happens when that fails. Does not belong here: any query.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from pipelines.leftovers import temporary_folder
from pipelines.sql import pattern_of, quote_path, quote_text
from pipelines.writer_lock import WriterLock, writer_lock

STORAGE_VERSION = "v1.2.0"  # every DuckDB >= 1.2 opens files with this version
# DuckDB draws one in processes that it takes for a person's, as it does those that Dagster starts for a run of the UI.
NO_PROGRESS_BAR = "set enable_progress_bar = false"
READING_MEMORY = 1_000_000_000  # bytes that reading a delivered file may take, unless the settings say otherwise
SPILLED_PER_MEMORY = 16  # what does not fit goes to a temporary folder, up to this many times the memory
_MEMORY_OF_A_THREAD = 125_000_000  # the least that DuckDB's documentation recommends
_UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"]
QUERY_MEMORY = "4GB"  # what a query of `kpi sql` may take

_kept_open: dict[Path, duckdb.DuckDBPyConnection] = {}
_locks: dict[Path, WriterLock] = {}  # of this process: a second one of the same process would wait for the first


class NotPublishedError(Exception):
    """There is no published file yet; the message says how to create one."""


@contextmanager
def reader(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection to the DuckDB file at `path`.

    A process that holds the writer lock keeps the file open between two readers until `let_go`, since opening it takes
    longer than most queries.

    Raises:
        duckdb.IOException: the file is missing, or another process is writing it.
    """
    if path not in _kept_open and path in _locks and _locks[path].is_locked:
        _kept_open[path] = duckdb.connect(str(path), read_only=True)
        _kept_open[path].execute(f"set global memory_limit = '{memory_of_the_warehouse()}'")
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute(NO_PROGRESS_BAR)
        connection.execute("set TimeZone = 'UTC'")
        yield connection


def let_go() -> None:
    """Close the files that are kept open, so that this process can write them, and others."""
    while _kept_open:
        _, connection = _kept_open.popitem()
        connection.close()


def hold_writer_lock(path: Path, who: str, say: Callable[[str], None], database: str | None) -> None:
    """Become the only process that writes the warehouse at `path`, until `release_writer_lock` or the process's end.

    While another process holds the lock, the call reports its name to `say` once, and waits. A process that already
    holds the lock continues. The lock is free after its holder was killed. With the URL of a `database`, it is the lock
    of all hosts.

    Raises:
        StoreError: the database cannot be used, or this process has lost the lock that it held.
    """
    if try_to_hold_writer_lock(path, who, database):
        return
    lock = _locks[path]
    holder = lock.holder()
    writer = f" ({holder})" if holder else ""
    say(f"Another process is writing {path.name}{writer}. Waiting until it has finished.")
    lock.acquire(who, wait=True)


def try_to_hold_writer_lock(path: Path, who: str, database: str | None) -> bool:
    """The same as `hold_writer_lock`, without waiting: return whether this process now holds the lock."""
    lock = _locks.get(path)
    if lock and lock.is_locked:
        lock.check()
        return True
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _locks[path] = writer_lock(path, database)
    return lock.acquire(who, wait=False)


def ensure_writer(path: Path) -> None:
    """Ensure that this process, if it became the writer of the warehouse at `path`, is that still.

    Raises:
        StoreError: it has lost the lock, so another host may be writing.
    """
    if path in _locks:
        _locks[path].check()


def release_writer_lock(path: Path) -> None:
    """Let other processes write the warehouse at `path`; do nothing if this process does not hold the lock."""
    let_go()
    if path in _locks:
        _locks[path].release()


@contextmanager
def in_memory() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection without a file, for reading and writing other files. Nothing may be attached to it, or set.

    All these connections share one database, since creating one takes longer than most queries on it.
    """
    with _shared_database().cursor() as connection:
        connection.execute(NO_PROGRESS_BAR)
        yield connection


@cache
def _shared_database() -> duckdb.DuckDBPyConnection:
    return _database()


@cache
def memory_of_the_warehouse() -> str:
    """What the warehouse may take while a run writes, as DuckDB writes it: three quarters of its default.

    The default is 80 % of the memory of the machine or of its container. What is left would have to do for Python, for
    what DuckDB does not count, and for a second database: with ten million orders and 8 GB, it did not.
    """
    with duckdb.connect() as connection:
        [[limit]] = connection.execute("select current_setting('memory_limit')").fetchall()
    number, unit = limit.split()
    return f"{float(number) * 1024 ** _UNITS.index(unit) * 3 // 4:.0f}B"


def _database() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(NO_PROGRESS_BAR)
    connection.execute("set global TimeZone = 'UTC'")  # given at connect, it asks for an extension to be downloaded
    # Of a raw file replaced twice in a moment, DuckDB 1.5 now and then (3 of 10,000) takes a part from there.
    connection.execute("set global enable_external_file_cache = false")
    return connection


@contextmanager
def sandboxed(*folders: Path, memory: int = READING_MEMORY) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection without a file, for reading untrusted deliveries.

    It sees nothing outside `folders`, loads no extension, and cannot be reconfigured. It uses half of the `memory` (in
    bytes) that reading may take; the other half is for what Python reads.
    """
    own = memory // 2
    with temporary_folder("kpi-landing-") as spill, _database() as connection:
        spellings = {str(folder) for folder in folders} | {pattern_of(folder) for folder in folders}
        allowed = ", ".join(quote_text(f"{spelling}/") for spelling in sorted(spellings))
        [[threads]] = connection.execute("select current_setting('threads')").fetchall()
        connection.execute(f"set global threads = {max(1, min(threads, own // _MEMORY_OF_A_THREAD))}")
        connection.execute(f"set global max_temp_directory_size = '{SPILLED_PER_MEMORY * memory}B'")
        _lock_in(connection, f"{own}B", str(spill), f"allowed_directories = [{allowed}]")
        yield connection


@contextmanager
def published_sandbox(
    published_dir: Path, may_write: Path | None = None, memory: str = QUERY_MEMORY
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection for untrusted queries: it sees only the published file, and cannot be reconfigured. Tables of
    `marts` and `meta` can also be used without their schema.

    It is a separate database with the file attached, so that its restrictions do not affect others who have the file
    open. `may_write` is the only file that it may create, for exports.

    Raises:
        NotPublishedError: nothing has been published yet.
    """
    path = published_path(published_dir)
    with _database() as connection:
        attach_read_only(connection, path, "kpi")
        connection.execute("set search_path = 'kpi.marts,kpi.meta'")
        connection.execute("set global allow_persistent_secrets = false")
        connection.execute("set global python_enable_replacements = false")  # no variable of ours is a table of theirs
        allowed = quote_path(may_write) if may_write else ""
        _lock_in(connection, memory, "", f"allowed_paths = [{allowed}]")
        yield connection


def _lock_in(connection: duckdb.DuckDBPyConnection, memory: str, spill: str, allowed: str) -> None:
    """Permanently limit a connection to what is `allowed`, without extensions.

    What does not fit into `memory` goes to the folder `spill`; without one, the statement fails.
    """
    for setting in (
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        f"memory_limit = '{memory}'",
        f"temp_directory = {quote_text(spill)}",
        allowed,
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"set global {setting}")


@contextmanager
def published(published_dir: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection to the published file; a publication in the meantime does not disturb it.

    Raises:
        NotPublishedError: nothing has been published yet.
    """
    with reader(published_path(published_dir)) as connection:
        yield connection


def open_published(path: Path, memory: str) -> duckdb.DuckDBPyConnection:
    """A publication that a server keeps open, attached as `kpi` and read-only, with at most `memory` and no other file.

    Each reader takes a cursor and says `use kpi`. It is a database of its own, so that its limits concern nobody else.
    """
    connection = _database()
    attach_read_only(connection, path, "kpi")
    for setting in (f"memory_limit = '{memory}'", "temp_directory = ''", "enable_external_access = false"):
        connection.execute(f"set global {setting}")
    return connection


def published_path(published_dir: Path) -> Path:
    """The file of the current publication under its own path: under the path of the link, DuckDB would continue to
    return the previous file to a process that has opened it.

    Raises:
        NotPublishedError: nothing has been published yet.
    """
    path = published_dir / "kpi.duckdb"
    if not path.exists():
        raise NotPublishedError(f"{path} does not exist: nothing has been published yet. Run `kpi run` first.")
    return path.resolve()


@contextmanager
def new_file(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that writes a new DuckDB file at `path`, attached as `candidate`, closed and checkpointed after.

    What does not fit into memory goes to a temporary folder beside it. DuckDB's own limit applies: sorting large tables
    needs it, so nothing else should be open.

    Raises:
        duckdb.BinderException: `path` exists and is no DuckDB file.
    """
    with TemporaryDirectory(prefix=".spill-", dir=path.parent) as spill, _database() as connection:
        connection.execute(f"set temp_directory = {quote_text(spill)}")
        connection.execute(f"attach {quote_path(path)} as candidate (storage_version '{STORAGE_VERSION}')")
        yield connection
        connection.execute("checkpoint candidate")
        connection.execute("detach candidate")


@contextmanager
def side_by_side(**files: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that reads several DuckDB files, each under its name: `before.marts.kpi_revenue`.

    Raises:
        duckdb.IOException: a file is missing, or another process is writing it.
    """
    with _database() as connection:
        for name, path in files.items():
            attach_read_only(connection, path, name)
        yield connection


def attach_read_only(connection: duckdb.DuckDBPyConnection, path: Path, name: str) -> None:
    """Let `connection` read the DuckDB file at `path` as `name`."""
    connection.execute(f"attach {quote_path(path)} as {name} (read_only)")
