"""Runs an untrusted query on the published file, and lets it do nothing else.

Belongs here: which statements and functions are allowed, their limits, and error messages.
Does not belong here: the locked connection (`warehouse.py`), and how results are written (`output.py`).

Two locks protect the installation, and each alone would stop most attacks: the connection sees only the published file,
and no query can change that; and it gets only a single select that calls no function with access to anything else.
"""

import difflib
import json
import os
import re
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from pipelines.formatting import counted
from pipelines.output import Format, Result, Target, UsageError, aside, print_table, write, write_parquet
from pipelines.sql import quote_text
from pipelines.warehouse import QUERY_MEMORY, published_sandbox

QUERY_SECONDS = 300.0
SHOWN_ROWS = 40
_SIZE = re.compile(r"(\d+) ?(MB|GB)", re.IGNORECASE)
_BYTES = {"MB": 10**6, "GB": 10**9}
_IN_USE = Path("/proc/self/statm")  # where Linux says what this process has taken
_FOR_THREADS = 500_000_000  # stacks and the like, which are reserved and hardly used

_EXPLAINED = re.compile(r"\s*explain\s+(analyze\s+)?(\(\s*format\s+\w+\s*\)\s*)?", re.IGNORECASE)
_DESCRIPTION = re.compile(r"\s*(describe|desc|summarize|show)\b", re.IGNORECASE)
# The table functions that a query may call. All others are refused, including those of later DuckDB versions: some of
# them read files, run text as SQL, or enable logs that are written to files.
_TABLE_FUNCTIONS = (
    *("range", "generate_series", "unnest", "repeat", "json_each", "json_tree", "query_table", "summary"),
    *("histogram", "histogram_values", "pg_timezone_names", "pragma_table_info", "pragma_storage_info"),
)
_TABLE_FUNCTION_FAMILY = "duckdb_"  # duckdb_tables(), duckdb_columns(), …: they describe this connection
_MIN_SIMILARITY = 0.5


class _TimeIsUpError(Exception):
    """Stops whatever takes too long."""


def run_sql(
    published_dir: Path,
    query: str,
    target: Target | None = None,
    limit: int | None = SHOWN_ROWS,
    seconds: float = QUERY_SECONDS,
    memory: str | None = None,
) -> None:
    """Print the result of one query on the published file, or write it to a file. A table has at most `limit` rows.

    `seconds` and `memory` limit the query and the writing of its result. By default, `memory` is half of this
    machine's, and at most 4 GB.

    Raises:
        NotPublishedError: there is no published file.
        UsageError: the text is not a query, is wrong, does more than read, or exceeds its limits.
    """
    target = target or Target()
    memory = default_memory() if memory is None else memory
    with _limited(memory_in_bytes(memory)):
        _run(published_dir, query, target, limit, seconds, memory)


def default_memory() -> str:
    """Half of this machine's memory, and at most 4 GB."""
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{min(installed // 2, memory_in_bytes(QUERY_MEMORY)) // _BYTES['MB']}MB"


def memory_in_bytes(memory: str) -> int:
    """The number of bytes in a size like 500MB or 4GB.

    Raises:
        UsageError: it is none, or too small for any query.
    """
    size = _SIZE.fullmatch(memory.strip())
    found = int(size[1]) * _BYTES[size[2].upper()] if size else 0
    if found < 10 * _BYTES["MB"]:
        raise UsageError(f"--memory {memory}: write a size from 10MB on, like 500MB or 4GB.")
    return found


def _run(published_dir: Path, query: str, target: Target, limit: int | None, seconds: float, memory: str) -> None:
    if target.form is Format.parquet:
        assert target.file is not None
        with (
            aside(target.file) as path,
            published_sandbox(published_dir, may_write=path, memory=memory) as connection,
            _in_words(connection, seconds),
        ):
            checked = _one_select(connection, query)
            if _EXPLAINED.match(checked):
                raise UsageError("A query plan is text: write it as table, csv or json.")
            # A file can be written from what selects, and a description of a table does so only as a subquery.
            write_parquet(connection, f"from ({checked}\n)" if _DESCRIPTION.match(checked) else checked, path)
        return
    with published_sandbox(published_dir, memory=memory) as connection, _in_words(connection, seconds):
        checked = _one_select(connection, query)
        if target.form is Format.table and target.file is None:
            _print_rows(connection, checked, limit)
        else:
            write(Result.of(connection.execute(checked)), target)
        sys.stdout.flush()


def _print_rows(connection: duckdb.DuckDBPyConnection, query: str, limit: int | None) -> None:
    if _EXPLAINED.match(query):
        for _, plan in connection.execute(query).fetchall():
            sys.stdout.write(f"{plan}\n")
        return
    result = Result.of(connection.execute(query))
    rows = list(result.rows) if limit is None else connection.fetchmany(limit + 1)
    total = len(rows)
    if limit is not None and total > limit:
        rows = rows[:limit]
        [(total,)] = connection.execute(f"select count(*) from ({query}\n) as t").fetchall()
    left_out = print_table(result.columns, result.types, rows)
    said = [counted(total, "row")]
    if len(rows) < total:
        said.append(f"the first {len(rows):,} shown: --limit N shows more, --all or --output FILE gives all of them")
    sys.stdout.write("; ".join([", ".join(said), *([left_out] if left_out else [])]) + ".\n")


def _one_select(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    """The text of the query, if it is one select or explains one, and accesses nothing beyond its tables."""
    try:
        statements = connection.extract_statements(query)
    except duckdb.PermissionException:  # DuckDB opens the files of some statements before running them
        raise _refused("IMPORT") from None
    if not statements:
        raise UsageError('The query is empty. Write one, for example: kpi sql "from marts.kpi_catalogue".')
    kinds = [statement.type.name for statement in statements]
    if len(statements) > 1:
        pivoted = " In a pivot, list the columns that it creates: pivot … on unit in ('money', 'rate')."
        raise UsageError(
            f"kpi sql runs one query at a time, and these are {len(statements)} statements."
            + (pivoted if re.search(r"\bpivot\b", query, re.IGNORECASE) else "")
        )
    text = statements[0].query.strip().rstrip(";")
    if kinds == ["EXPLAIN"]:
        explained = _EXPLAINED.match(text)
        if explained is None:
            raise UsageError("Put explain at the beginning of the query.")
        _one_select(connection, text[explained.end() :])
        return text
    if kinds != ["SELECT"]:
        raise _refused(kinds[0])
    [(tree,)] = connection.execute(f"select json_serialize_sql({quote_text(text)})").fetchall()
    parsed = json.loads(tree)
    if parsed["error"]:
        raise _refused(text.split(maxsplit=1)[0])
    for function in sorted(set(_table_functions(parsed))):
        if function not in _TABLE_FUNCTIONS and not function.startswith(_TABLE_FUNCTION_FAMILY):
            raise UsageError(
                f"kpi sql reads the published file and nothing else; {function}() is not available. "
                "To join other data, open the published file with DuckDB or read its Parquet copies."
            )
    return text


def _refused(kind: str) -> UsageError:
    return UsageError(
        f"kpi sql reads the published file and cannot change it; {kind.lower().replace('_', ' ')} is not available. "
        "It runs one select (or from, with, values, describe, summarize, show, explain)."
    )


def _table_functions(node: Any) -> Iterator[str]:
    """The names of the table functions in a serialised query."""
    if isinstance(node, list):
        for item in node:
            yield from _table_functions(item)
    elif isinstance(node, dict):
        if node.get("type") == "TABLE_FUNCTION":
            yield str(node["function"]["function_name"]).lower()
        for item in node.values():
            yield from _table_functions(item)


@contextmanager
def _limited(most_bytes: int) -> Iterator[None]:
    """Limit what this process takes from now on, since DuckDB limits only itself, and not what writes its results."""
    if not _IN_USE.exists():
        yield
        return
    in_use = int(_IN_USE.read_text(encoding="ascii").split()[5]) * os.sysconf("SC_PAGE_SIZE")
    before = resource.getrlimit(resource.RLIMIT_DATA)
    most = in_use + most_bytes + _FOR_THREADS
    unlimited = resource.RLIM_INFINITY
    allowed = [limit for limit in (most, *before) if limit != unlimited]
    resource.setrlimit(resource.RLIMIT_DATA, (min(allowed), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


@contextmanager
def _in_words(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Stop what takes longer than `seconds`, and say what went wrong."""
    is_over = False

    def stop(*_: object) -> None:
        nonlocal is_over
        is_over = True
        connection.interrupt()
        raise _TimeIsUpError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with _query_in_words(connection):
            yield
    except Exception:  # DuckDB makes an error of its own of the one that stops it
        if not is_over:
            raise
        raise UsageError(
            f"The query took longer than {seconds:g} seconds and was stopped. Query less data, allow more time with "
            "--seconds, or open the published file with DuckDB."
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _query_in_words(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Say what went wrong with a query."""
    try:
        yield
    except (duckdb.OutOfMemoryException, MemoryError):
        raise UsageError(
            "The query or its result needs more memory than kpi sql allows. Query less data, allow more with --memory, "
            "or open the published file with DuckDB."
        ) from None
    except BrokenPipeError:  # the reader stopped early, as `head` does
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left would fail again at the end
        raise UsageError(f"The output cannot be written: {error.strerror}. Write it to a file: --output") from None
    except duckdb.IOException as error:
        raise UsageError(f"The result cannot be written: {error}") from None
    except duckdb.PermissionException as error:
        raise UsageError(f"kpi sql reads the published file and nothing else. DuckDB says: {error}") from None
    except duckdb.CatalogException as error:
        raise UsageError(_with_suggestions(connection, str(error))) from None
    except duckdb.Error as error:
        raise UsageError(str(error)) from None


def _with_suggestions(connection: duckdb.DuckDBPyConnection, error: str) -> str:
    """The error; if a table does not exist, with tables that have similar names."""
    unknown = re.search(r"Table with name \"?([^\n\"]+?)\"? does not exist", error)
    if unknown is None:
        return error
    asked = unknown[1].rpartition(".")[2]
    rows = connection.execute("select table_schema, table_name from information_schema.tables order by all").fetchall()
    tables = {name: f"{schema}.{name}" for schema, name in rows if schema in ("marts", "meta")}
    containing = [name for name in tables if asked.lower() in name]
    near = list(
        dict.fromkeys([*difflib.get_close_matches(asked.lower(), tables, cutoff=_MIN_SIMILARITY), *containing])
    )[:5]
    meant = f" Did you mean {', '.join(tables[name] for name in near)}?" if near else ""
    return f'There is no table {unknown[1]}.{meant} To list all tables: kpi sql "show tables".'
