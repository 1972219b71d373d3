"""dbt builds the models in the warehouse itself, with DuckDB in this process."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import duckdb

from pipelines.settings import Settings
from pipelines.sql import pattern_of, quote_qualified_name
from pipelines.transform.engines import READS_NO_TABLES
from pipelines.warehouse import let_go, memory_of_the_warehouse

PACKAGES = ("dbt-duckdb",)
STORES_VIEWS = False


def environment(settings: Settings) -> dict[str, str]:
    return {"KPI_MEMORY": memory_of_the_warehouse()}


def described(settings: Settings) -> str:
    return f"DuckDB {version('duckdb')}, in the process of a run"


@contextmanager
def opened(command: str, environment: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    let_go()
    if command not in READS_NO_TABLES and "KPI_WAREHOUSE" in environment:
        _take_over(Path(environment["KPI_WAREHOUSE"]))
    try:
        yield environment
    finally:
        # dbt would keep the file open for its next invocation, and no other process could open it.
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]


def _take_over(warehouse: Path) -> None:
    """Make tables of the views of what Spark has built, since dbt replaces no view by a seed, and delete its files."""
    files = warehouse.with_name("spark")
    if not files.exists():
        return
    if warehouse.exists():
        with duckdb.connect(str(warehouse)) as connection:
            connection.execute("begin")
            views = connection.execute(
                "select concat(schema_name, '.', view_name) from duckdb_views() where contains(sql, ?)",
                [pattern_of(files)],
            ).fetchall()
            for (name,) in views:
                connection.execute(f"create temp table taken_over as from {quote_qualified_name(name)}")
                connection.execute(f"drop view {quote_qualified_name(name)}")
                connection.execute(f"create table {quote_qualified_name(name)} as from temp.taken_over")
                connection.execute("drop table temp.taken_over")
            connection.execute("commit")
    shutil.rmtree(files)


def keep(built: Iterable[str], environment: Mapping[str, str]) -> None:
    """dbt has written the warehouse itself."""


def cancel() -> None:
    from dbt.adapters.factory import FACTORY

    for adapter in list(FACTORY.adapters.values()):
        adapter.connections.cancel_open()
