"""Files of the pipeline's own that cannot be read: finding out, saying so in a sentence, and setting them aside.

Belongs here: how damage shows in each kind of file. Nothing is deleted, only moved to `<data>/damaged/<day>/`.
Does not belong here: what an installation consists of, and what can be made again from what
(`operations/repair.py`); delivered files (`ingest/gate.py`).
"""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from pipelines.sql import pattern_of, quote_name, quote_text

REPAIR = "kpi doctor --repair"

_BUSY_SECONDS = 2
_COMPANIONS = ("", ".wal", "-wal", "-shm", "-journal")  # what DuckDB and SQLite write beside a file
# What a DuckDB file of that many blocks takes, with its three headers. It may be shorter, since DuckDB also counts free
# blocks that it has never written; one that is too short for its last block with rows may open, but lacks these.
_SIZE = "select block_size * {} + 3 * 4096 from pragma_database_size()"
_LAST_BLOCK = (
    "select greatest(max(block_id), max(list_max(additional_block_ids))) from pragma_storage_info({}) where persistent"
)
_PARQUET_END = b"PAR1"
# The last one means tables of another version.
_UNREADABLE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
_OCCUPIED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class DamagedError(Exception):
    """A file of the pipeline's own cannot be read; the message names it and the next step."""


class StoreError(DamagedError, sqlite3.DatabaseError):
    """An SQLite file of the pipeline's own cannot be used; the message names it and the next step."""


class ObjectStoreError(Exception):
    """The object store cannot be read or written, or a copy in it is damaged; the message says which, and the next
    step."""


class InUseError(Exception):
    """Another process is using a file, so that its state is unknown."""


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Say in a sentence why the SQLite file `path` cannot be used.

    Raises:
        StoreError: it is damaged, of another version, or in use for too long.
        sqlite3.Error: a disk or permissions are the reason, for which `disk.py` has words.
    """
    try:
        yield
    except (StoreError, sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError):
        raise
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _OCCUPIED:
            raise StoreError(f"{path} is in use by another process: try again when that has finished.") from error
        if code in _UNREADABLE:
            raise StoreError(f"{path} cannot be read: {error}. Repair it: {REPAIR}.") from error
        if path.is_dir():
            raise StoreError(f"{path} cannot be read: it is a folder. Repair it: {REPAIR}.") from error
        raise


def damage_of_sqlite(path: Path, tables: Mapping[str, frozenset[str]], *, thoroughly: bool = False) -> str | None:
    """Why an SQLite file cannot be used; None if nothing is wrong, or if it has no tables yet.

    Args:
        tables: the columns that each table must have, as `tables_of` returns them.
        thoroughly: look at every page, not only at the first.

    Raises:
        InUseError: another process has been writing it for seconds.
    """
    if path.is_dir():
        return "it is a folder"
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)) as connection:
            there = _tables(connection)
            [(found,)] = connection.execute("pragma quick_check(1)") if thoroughly else [("ok",)]
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _OCCUPIED:
            raise InUseError(f"{path} is in use by another process") from None
        return str(error)
    if found != "ok":
        return " ".join(str(found).split())
    for name, columns in tables.items() if there else ():
        if name not in there:
            return f"its table {name} is missing"
        if missing := sorted(columns - there[name]):
            return f"its table {name} has no column {missing[0]}"
    return None


def tables_of(schema: str) -> dict[str, frozenset[str]]:
    """The tables that the SQL script `schema` creates, with their columns."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(schema)
        return _tables(connection)


def _tables(connection: sqlite3.Connection) -> dict[str, frozenset[str]]:
    names = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
    return {
        name: frozenset(column for _, column, *_ in connection.execute(f"pragma table_info({quote_name(name)})"))
        for name in names
    }


def damage_of_duckdb(path: Path, *, thoroughly: bool = False) -> str | None:
    """Why a DuckDB file cannot be opened together with its write-ahead log; None if it can. It is not changed.

    Args:
        thoroughly: read every row, too: otherwise, damage in the middle of the file is not found.

    Raises:
        InUseError: another process is writing it.
    """
    if path.is_dir():
        return "it is a folder"
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            found = connection.execute("select schema_name, table_name from duckdb_tables() where not internal")
            tables = [f"{quote_name(schema)}.{quote_name(table)}" for schema, table in found.fetchall()]
            for table in tables if thoroughly else ():
                connection.execute(f"select sum(hash(t)) from {table} as t").fetchall()
            size = path.stat().st_size
            if size < _bytes_of(connection, "total_blocks"):
                blocks = (connection.execute(_LAST_BLOCK.format(quote_text(table))).fetchone() for table in tables)
                last = max((block for found in blocks if found for block in found if block is not None), default=-1)
                if size < _bytes_of(connection, str(last + 1)):
                    return f"it is cut off after {size:,} bytes"
    except duckdb.Error as error:
        why = first_line(error)
        if "Could not read enough bytes" in why:
            return f"it is cut off after {path.stat().st_size:,} bytes"
        if "Could not set lock" in why or "different configuration" in why:
            raise InUseError(f"{path} is in use by another process") from None
        return why
    return None


def _bytes_of(connection: duckdb.DuckDBPyConnection, blocks: str) -> int:
    """The length of the connection's DuckDB file if its last block had this number, given as SQL."""
    [(size,)] = connection.execute(_SIZE.format(blocks)).fetchall()
    return int(size)


def is_whole_parquet(file: Path) -> bool:
    """Whether a file ends as a Parquet file does. A file that was cut off, or is empty, does not."""
    with file.open("rb") as opened:
        size = opened.seek(0, os.SEEK_END)
        opened.seek(max(size - len(_PARQUET_END), 0))
        return opened.read() == _PARQUET_END


def damaged_parquet_files(files: Sequence[Path]) -> dict[Path, str]:
    """Those of the Parquet files whose footer cannot be read, with the reason. A cut file has none."""
    if not files:
        return {}
    try:
        with duckdb.connect() as connection:
            connection.execute("select count(*) from parquet_kv_metadata(?)", [[pattern_of(file) for file in files]])
    except duckdb.Error as error:
        if len(files) == 1:
            return {files[0]: first_line(error)}
        half = len(files) // 2
        return damaged_parquet_files(files[:half]) | damaged_parquet_files(files[half:])
    return {}


def damage_of_json(path: Path, *keys: str) -> str | None:
    """Why a JSON file with an object that has `keys` cannot be read; None if it can."""
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "it is missing"
    except OSError as error:
        return error.strerror or str(error)
    except ValueError:
        return "it is empty" if not path.stat().st_size else "it is cut off or no JSON"
    missing = [key for key in keys if not isinstance(content, dict) or key not in content]
    return f"it has no {missing[0]}" if missing else None


def first_line(error: Exception) -> str:
    """What DuckDB says is wrong, without hints and statement."""
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".!")


def set_aside(path: Path, data_dir: Path, day: date) -> Path:
    """Move a file, folder or link of `data_dir`, with what belongs to it, to `damaged/<day>/`; return its new place.

    Raises:
        OSError: it cannot be moved.
    """
    wanted = data_dir / "damaged" / str(day) / path.relative_to(data_dir)
    place, number = wanted, 1
    while place.exists() or place.is_symlink():
        number += 1
        place = wanted.with_name(f"{wanted.name}-{number}")
    place.parent.mkdir(parents=True, exist_ok=True)
    for companion in _COMPANIONS:
        part = path.with_name(f"{path.name}{companion}")
        if part.exists() or part.is_symlink():
            part.rename(place.with_name(f"{place.name}{companion}"))
    return place
