"""Opens the table under test in DuckDB, read-only.

Belongs here: where a table is and how DuckDB accesses it.
Does not belong here: judging what is in it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from pipelines.checks.gx.expectation_types import BATCH
from pipelines.checks.gx.timeout import stopping_statements
from pipelines.leftovers import temporary_folder
from pipelines.sql import quote_name, quote_path, quote_pattern, quote_text
from pipelines.warehouse import NO_PROGRESS_BAR

if TYPE_CHECKING:
    import sqlalchemy as sa


@dataclass(frozen=True)
class View:
    """What a table is compared with, as a view next to it. `sql` may name the DuckDB files in `attached`."""

    name: str
    sql: str
    attached: tuple[tuple[str, Path], ...] = ()


@dataclass(frozen=True)
class DuckDBTable:
    """A table or view in a DuckDB file. Queries of its suite may name other tables of the file as `schema.table`.

    Rows delivered on `without_days` are not judged.
    """

    path: Path
    schema: str
    table: str
    views: tuple[View, ...] = ()
    without_days: tuple[date, ...] = ()


@dataclass(frozen=True)
class ParquetFiles:
    """Parquet files read as one table. Columns are matched by name; a column that a file lacks is NULL there."""

    paths: tuple[Path, ...]
    views: tuple[View, ...] = ()


Relation = DuckDBTable | ParquetFiles

CHECK_TIMEOUT_SECONDS = 600.0  # of one statement; on a table of ten million rows, a statement takes a few seconds


class NoFilesError(Exception):
    """There is no Parquet file, so not even the columns are known."""


@dataclass(frozen=True)
class OpenBatch:
    """The table under test as the view `batch` of one open connection."""

    engine: "sa.Engine"
    columns: tuple[str, ...]
    row_count: int

    def rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
        """The rows of a query with `values` in place of its `?`."""
        with self.engine.connect() as connection:
            result = connection.exec_driver_sql(sql, values)
            return [dict(row) for row in result.mappings()]

    def execute(self, sql: str) -> None:
        """Run a statement that returns no rows to read."""
        with self.engine.connect() as connection:
            connection.exec_driver_sql(sql)


@contextmanager
def opened(relation: Relation, timeout_seconds: float = CHECK_TIMEOUT_SECONDS) -> Iterator[OpenBatch]:
    """Open `relation` as the view `batch` of one connection.

    The file of a `DuckDBTable` is opened read-only, over a connection of its own, and released when the block ends,
    however it ends; a process that keeps the file open for its readers shares it. Parquet files are read by a database
    in memory. What does not fit into memory goes to a temporary folder, which is also deleted at the end of the block.

    Raises:
        NoFilesError: `relation` is an empty list of Parquet files.
        StatementTimeoutError: a statement took longer than `timeout_seconds`.
        sqlalchemy.exc.DBAPIError: the file, schema or table is missing, or another process is writing the file.
    """
    import sqlalchemy as sa  # not needed to load definitions
    from duckdb_sqlalchemy import ConnectionWrapper

    if isinstance(relation, ParquetFiles) and not relation.paths:
        raise NoFilesError
    engine = sa.create_engine(
        "duckdb:///:memory:",
        creator=lambda: ConnectionWrapper(_connect(relation)),
        poolclass=sa.StaticPool,  # one connection, so that every query sees its view and its attached file
        # Great Expectations reads a result after returning the connection. A rollback would have discarded it by then.
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        pool_reset_on_return=None,
    )
    with temporary_folder("kpi-checks-") as spill:
        try:
            with stopping_statements(engine, timeout_seconds):
                with engine.connect() as connection:
                    for statement in [*_settings(relation, str(spill)), *_view(relation), *_views_beside(relation)]:
                        connection.exec_driver_sql(statement)
                    columns: Sequence[str] = (
                        connection.exec_driver_sql(f"select column_name from (describe {BATCH})").scalars().all()
                    )
                    row_count: int = connection.exec_driver_sql(f"select count(*) from {BATCH}").scalar_one()
                yield OpenBatch(engine, tuple(columns), row_count)
        finally:
            _detach(engine, relation)
            engine.dispose()


def _connect(relation: Relation) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(relation.path), read_only=True) if isinstance(relation, DuckDBTable) else duckdb.connect()


def _settings(relation: Relation, spill: str) -> list[str]:
    """Settings that must not depend on the machine: by default, an in-memory database spills into the current folder,
    and any database uses local time. A file spills into the folder beside it."""
    spills_here = [f"set temp_directory = {quote_text(spill)}"] if isinstance(relation, ParquetFiles) else []
    return [*spills_here, "set TimeZone = 'UTC'", NO_PROGRESS_BAR]


def _view(relation: Relation) -> list[str]:
    if isinstance(relation, DuckDBTable):
        schema, table = quote_name(relation.schema), quote_name(relation.table)
        days = ", ".join(f"date '{day}'" for day in relation.without_days)
        where = f" where _delivered_on not in ({days})" if days else ""
        return [f"use {schema}", f"create temp view {BATCH} as select * from {schema}.{table}{where}"]
    files = ", ".join(quote_pattern(path) for path in relation.paths)
    # Raw files contain what was delivered; a folder called `key=value` must not become a column.
    source = f"read_parquet([{files}], union_by_name = true, hive_partitioning = false)"
    return [f"create temp view {BATCH} as select * from {source}"]


def _views_beside(relation: Relation) -> list[str]:
    return [
        *(f"attach {quote_path(path)} as {quote_name(name)} (read_only)" for name, path in _attached(relation).items()),
        *(f"create temp view {quote_name(view.name)} as {view.sql}" for view in relation.views),
    ]


def _attached(relation: Relation) -> dict[str, Path]:
    return dict(item for view in relation.views for item in view.attached)


def _detach(engine: "sa.Engine", relation: Relation) -> None:
    """Release what was attached: a file that is kept open keeps that, too, and the next check attaches another."""
    import sqlalchemy as sa

    with suppress(sa.exc.SQLAlchemyError), engine.connect() as connection:
        for name in _attached(relation):
            connection.exec_driver_sql(f"detach database if exists {quote_name(name)}")
