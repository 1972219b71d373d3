"""Reads the delivered files back and applies the three rules, to prove that all faults can be undone.

Belongs here: a simple, independent reader of every format, and the comparison with the clean frames.
Does not belong here: any knowledge of the planted faults. This module sees only files.

The rules: set aside rows with a cell that cannot be read; the newest row of each key wins, by (updated_at if the table
has it, delivery day, place in the file); change nothing else.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pandas as pd

from demo_company.tables import TABLES, Frames, Kind, Table

_AMOUNT = re.compile(r"\d+[.,]\d{2}")
_RATE = re.compile(r"\d+(\.\d{1,6})?")


def replay(landing: Path) -> Frames:
    """What a reader of all delivered files ends up with, by table, in the shape of the clean frames."""
    return {name: replay_table(landing, table) for name, table in TABLES.items()}


def replay_table(landing: Path, table: Table) -> pd.DataFrame:
    """One table: read every file, set aside unreadable rows, and keep the newest row of every key."""
    rows: list[dict[str, Any]] = []
    for path in sorted((landing / table.source / table.name).iterdir()):
        delivered_on = path.name.removeprefix(f"{table.name}_")[:10]
        for number, raw in enumerate(_read(path, table)):
            try:
                row = {name: _parse(kind, raw[name]) for name, kind in table.columns.items()}
            except ValueError:
                continue
            rows.append({**row, "delivered_on": delivered_on, "row_number": number})
    by = [*(["updated_at"] if table.has_updated_at else []), "delivered_on", "row_number"]
    newest: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = tuple(row[name] for name in table.key)
        if key not in newest or _rank(row, by) >= _rank(newest[key], by):
            newest[key] = row
    return _frame(table, [newest[key] for key in sorted(newest)])


def _rank(row: dict[str, Any], by: list[str]) -> tuple[Any, ...]:
    return tuple(row[name] for name in by)


def _frame(table: Table, rows: list[dict[str, Any]]) -> pd.DataFrame:
    dtypes: dict[Kind, Any] = {
        "text": "str", "moment": "datetime64[s, UTC]", "day": "datetime64[s]",
        "cents": "int64", "micros": "int64", "whole": "int64", "flag": "bool",
    }  # fmt: skip
    columns = {}
    for name, kind in table.columns.items():
        values = pd.Series([row[name] for row in rows], dtype=object)
        if kind in ("moment", "day"):
            values = pd.to_datetime(values, utc=kind == "moment")
        columns[name] = values.astype(dtypes[kind])
    return pd.DataFrame(columns)


# --------------------------------------------------------------------------------------------------------- reading


def _read(path: Path, table: Table) -> list[dict[str, Any]]:
    """The raw cells of one file, with one dictionary per row."""
    if table.extension == "jsonl":
        lines = path.read_text(encoding="utf-8").splitlines()
        return [json.loads(line, parse_float=Decimal) for line in lines]
    if table.extension == "xlsx":
        header, *body = openpyxl.load_workbook(path, read_only=True).active.values
        # A row ends with its last cell that is not empty.
        return [dict.fromkeys(header) | dict(zip(header, row, strict=False)) for row in body]
    if table.extension == "parquet":
        return _read_parquet(path, table)
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
    delimiter = {"csv": ",", "csv.gz": ";", "tsv": "\t"}[table.extension]
    rows = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    return [{name: cell or None for name, cell in row.items()} for row in rows]


def _read_parquet(path: Path, table: Table) -> list[dict[str, Any]]:
    # Times are read as text, because the Python client needs another library for times with zones.
    columns = ", ".join(
        f"strftime({name} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ')" if kind == "moment" else name
        for name, kind in table.columns.items()
    )
    rows = duckdb.sql(f"SELECT {columns} FROM read_parquet(?)", params=[str(path)]).fetchall()
    return [dict(zip(table.columns, row, strict=True)) for row in rows]


def _parse(kind: Kind, cell: Any) -> Any:
    """One cell as a value of its kind. Raises ValueError if it cannot be read."""
    if cell is None or kind == "text":
        return cell
    if kind == "moment":
        return datetime.fromisoformat(str(cell)).astimezone(UTC)
    if kind == "day":
        return cell if isinstance(cell, date) else datetime.fromisoformat(str(cell))
    if kind == "flag":
        return {True: True, False: False, "true": True, "false": False}[cell]
    if kind == "cents":
        return _cents(cell)
    if kind == "micros":
        if not _RATE.fullmatch(cell):
            raise ValueError(cell)
        return int(Decimal(cell) * 1_000_000)
    return int(cell)


def _cents(cell: Any) -> int:
    if isinstance(cell, str):
        if not _AMOUNT.fullmatch(cell):
            raise ValueError(cell)
        cell = Decimal(cell.replace(",", "."))
    return round(Decimal(str(cell)) * 100)


def differences(replayed: Frames, clean: Frames) -> list[str]:
    """The names of tables that differ from the clean frames, with the differences; empty if there are none."""
    found = []
    for name in TABLES:
        try:
            pd.testing.assert_frame_equal(replayed[name], clean[name])
        except AssertionError as error:
            found.append(f"{name}: {error}")
    return found
