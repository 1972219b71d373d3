"""dbt builds the models in the warehouse itself, with DuckDB in this process."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from pipelines.settings import Settings
from pipelines.sql import pattern_of
from pipelines.warehouse import let_go, reader

PACKAGES = ("dbt-duckdb",)
STORES_VIEWS = False


def environment(settings: Settings) -> dict[str, str]:
    return {}


def described(settings: Settings) -> str:
    return f"DuckDB {version('duckdb')}, in the process of a run"


@contextmanager
def opened(command: str, environment: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    let_go()
    try:
        yield environment
    finally:
        # dbt would keep the file open for its next invocation, and no other process could open it.
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]


def keep(built: Iterable[str], environment: Mapping[str, str]) -> None:
    """dbt has written the warehouse itself. What another engine has left is deleted once no view reads it."""
    warehouse = Path(environment["KPI_WAREHOUSE"])
    left = warehouse.with_name("spark")
    if left.exists() and warehouse.exists():
        with reader(warehouse) as connection:
            of_folder = "select 1 from duckdb_views() where contains(sql, ?)"
            is_read = connection.execute(of_folder, [pattern_of(left)]).fetchone()
        if not is_read:
            shutil.rmtree(left)


def cancel() -> None:
    from dbt.adapters.factory import FACTORY

    for adapter in list(FACTORY.adapters.values()):
        adapter.connections.cancel_open()
