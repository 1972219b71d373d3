"""A delivered cell is the same on Spark as on DuckDB, or unreadable on both."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from pipelines.onboarding.statuses import NOTHING_SOLD
from pipelines.sql import quote_text
from tests.unit.onboarding.draft_rendering import render

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

_DAYS = ["1", "01", "31", "9", "32"]
_DATES = {
    "dd.mm.yyyy": [f"{day}.{month}.2025" for day in _DAYS for month in ("1", "01", "12", "13")] + ["01.02.25"],
    "dd/mm/yyyy": ["1/2/2025", "31/12/2025", "12/31/2025", " 01/02/2025 ", "2025-01-02"],
    "mm/dd/yyyy": ["1/2/2025", "12/31/2025", "31/12/2025", "2/29/2024", "2/29/2025"],
    "mm/dd/yy": ["1/2/25", "12/31/99", "01/02/2025"],
    "dd-mm-yyyy": ["1-2-2025", "31-12-2025"],
    "yyyymmdd": ["20250131", "2025013", "20251301"],
    "dd-mon-yyyy": ["05-Jan-2025", "5-Jan-2025", "05-JAN-2025", "05-Foo-2025"],
    "dd mon yyyy": ["5 Jan 2025", "05 jan 2025"],
    "mon dd, yyyy": ["Jan 5, 2025", "Dec 31, 2025"],
    "month dd, yyyy": ["January 5, 2025", "December 31, 2025"],
    "excel": ["45658", "45688.5", "soon"],
}
_TIMES = {
    "dd.mm.yyyy hh:mi:ss": ["13.01.2025 10:22:31", "1.1.2025 9:05:07", "13.01.2025"],
    "dd.mm.yyyy hh:mi": ["13.01.2025 10:22", "1.1.2025 9:05", "13.01.2025T10:22"],
    "mm/dd/yyyy hh:mi:ss am": ["01/13/2025 10:22:31 AM", "1/3/2025 9:05:07 pm", "1/3/2025 12:00:00 AM"],
    "mm/dd/yy hh:mi am": ["1/13/25 7:10 PM", "1/13/25 12:10 AM", "1/13/99 12:10 AM"],
    "dd-mon-yyyy hh:mi": ["13-Jan-2025 10:22", "1-Jan-2025 9:05"],
    "excel": ["45384.34778935", "45385"],
}
_PLAIN_TIMES = [
    *("2025-01-13", "2025-01-13 10:22", "2025-01-13 10:22:31", "2025-01-13T10:22:31Z", "2025-01-13T10:22:31.123Z"),
    *(
        "2025-01-13 10:22:31 UTC",
        "2025-01-13 10:22:31 -0500",
        "2025-01-13T10:22:31+01:00",
        "2025-1-3 9:05",
        "13.01.2025",
    ),
]
_DECIMALS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["12.50", "-12.5", "(10.50)", "10.00-", "1e3", "1_000", "12,50", "", " 7 ", "infinity", ".5", "5."]),
    ({"decimal": ","}, ["1.250,00", "1.250,00-", "12,5", "1 200,50", "1.25,0", "12.50"]),
    ({"thousands": ","}, ["1,250.00", "1,25.0", "1250", "1.250"]),
    ({"thousands": "'"}, ["1'250.00", "12'50.00"]),
    ({"decimal": "either"}, ["1.250,00", "1,250.00", "12,50", "12.50"]),
    ({"ignore": ["$"], "thousands": ","}, ["($1,010.00)", "$5.00", "USD 5"]),
]
_INTEGERS = ["3", "(3)", "3-", "3.0", "3.5", "", "1,000", "0x10"]
_BOOLEANS = ["true", "FALSE", "t", "f", "yes", "no", "1", "0", "", "maybe", "y", "n"]
CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    *(("date", {"format": format_}, cells) for format_, cells in _DATES.items()),
    *(("timestamp", {"format": form, "time_zone": "Europe/Warsaw"}, cells) for form, cells in _TIMES.items()),
    ("timestamp", {}, _PLAIN_TIMES),
    ("timestamp", {"time_zone": "America/New_York"}, _PLAIN_TIMES),
    ("date", {}, ["2025-01-31", "2025-1-3", "31.01.2025", "2025-02-30", "2025-01-31 10:00"]),
    *(("decimal", options, cells) for options, cells in _DECIMALS),
    ("integer", {}, _INTEGERS),
    ("integer", {"thousands": "any"}, ["1,000", "1.000", "1 000", "10,00", "3"]),
    ("boolean", {}, _BOOLEANS),
    ("text", {}, [" a ", "", "b"]),
]


@pytest.fixture(scope="module")
def session() -> Iterator["SparkSession"]:
    """A session with the options that the engine gives it."""
    from pyspark.sql import SparkSession

    from pipelines.transform.engines.spark import _OPTIONS

    builder = SparkSession.builder.master("local[1]").config("spark.sql.ansi.enabled", "false")
    for name, value in _OPTIONS.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


def _read(cells: list[str], expression: str) -> str:
    rows = ", ".join(f"({number}, {quote_text(cell)})" for number, cell in enumerate(cells))
    return f"select cast({expression} as string) from (values {rows}) as given (number, cell) order by number"


@pytest.mark.parametrize(("type_", "options", "cells"), CASES, ids=lambda value: str(value)[:40])
def test_a_cell_is_read_alike(session: "SparkSession", type_: str, options: dict[str, Any], cells: list[str]) -> None:
    macro = f"{{{{ typed_cell({['cell', type_, options]!r}) }}}}"
    here = [value for (value,) in duckdb.execute(_read(cells, render(macro, {}))).fetchall()]
    there = [value for (value,) in session.sql(_read(cells, render(macro, {}, "spark"))).collect()]
    assert dict(zip(cells, there, strict=True)) == dict(zip(cells, here, strict=True))
    assert any(value is not None for value in here)


def test_a_status_is_read_alike(session: "SparkSession") -> None:
    cells = [*NOTHING_SOLD.split("|"), "Paid", "Partially cancelled", "Annul\u00e9e", "\u0130ptal edildi", "shipped"]
    macro = "{{ order_status('cell') }}"
    here = duckdb.execute(_read(cells, render(macro, {}))).fetchall()
    there = [tuple(row) for row in session.sql(_read(cells, render(macro, {}, "spark"))).collect()]
    assert there == here
