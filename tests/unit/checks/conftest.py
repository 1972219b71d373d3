"""A small DuckDB file, and suites with the content that a test gives them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from pipelines.checks.gx.relations import DuckDBTable
from pipelines.checks.suites import Suite, load_suite

ORDERS = """
    select * from (values
        (1, 'paid', 10.5, 'ab', date '2025-01-01', date '2025-01-02', 'anna@example.com', 'a.csv', 2),
        (2, 'open', 20.0, 'abc', date '2025-01-03', date '2025-01-03', 'bela@example.com', 'a.csv', 3),
        (2, 'open', 30.0, 'abcd', date '2025-01-05', date '2025-01-04', 'cyril@example.com', 'b.csv', 2),
        (null, null, null, null, null, null, null, 'b.csv', 3)
    ) as orders (order_id, status, amount, code, ordered_on, paid_on, email, _source_file, _row_number)
"""


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    """A DuckDB file with `raw.orders` (four rows), `raw.customers` (four rows) and `raw.nothing` (none)."""
    path = tmp_path / "ware house's [1].duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema raw")
        connection.execute(f"create table raw.orders as {ORDERS}")
        connection.execute("create table raw.customers as select range as customer_id from range(4)")
        connection.execute(f"create table raw.nothing as {ORDERS} limit 0")
    return path


@pytest.fixture
def orders(warehouse: Path) -> DuckDBTable:
    return DuckDBTable(warehouse, "raw", "orders")


@pytest.fixture
def write_suite(tmp_path: Path) -> Callable[..., Suite]:
    """Write `raw/<table>.yml` from expectations and suite settings, and load it."""

    def write(*expectations: dict[str, Any], table: str = "orders", **settings: Any) -> Suite:
        path = tmp_path / "expectations" / "raw" / f"{table}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "owner": "Sales data",
            "description": "Orders.",
            **settings,
            "expectations": [{"why": "Because.", **expectation} for expectation in expectations],
        }
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return load_suite(path)

    return write


def not_null(column: str, **settings: Any) -> dict[str, Any]:
    return {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": column}, **settings}


@pytest.fixture
def expect_not_null() -> Callable[..., dict[str, Any]]:
    """An expectation that a column is never empty, as written in a suite file."""
    return not_null
