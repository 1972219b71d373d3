"""Writes the files that the demo company's systems deliver, each system in its own format.

Belongs here: turning typed rows into CSV, JSON Lines, Excel and Parquet files whose bytes are the same on every run.
Does not belong here: which rows are delivered when (dirt), and reading anything back (replay).

The formats: the shop writes UTC times, `;` and a decimal comma in compressed files; the CRM writes JSON Lines with
Warsaw offsets; advertising data is Parquet; the survey is tab-separated; people maintain Excel sheets.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import openpyxl
import pandas as pd

from demo_company.clock import IntArray, date_of, warsaw_offset
from demo_company.dirt import Delivered
from demo_company.tables import Kind, Table

_DELIMITERS = {"csv": ",", "csv.gz": ";", "tsv": "\t"}
_A_FIXED_DAY = datetime(2026, 1, 1)
_PARQUET_TYPES: dict[Kind, str] = {
    "text": "VARCHAR",
    "moment": "TIMESTAMP WITH TIME ZONE",
    "day": "DATE",
    "cents": "DECIMAL(12,2)",
    "whole": "BIGINT",
    "flag": "BOOLEAN",
}


def write_table(landing: Path, delivered: Delivered) -> int:
    """Write all files of one table below `landing`. Return the number of files."""
    table = delivered.table
    folder = landing / table.source / table.name
    folder.mkdir(parents=True)
    if table.extension == "parquet":
        return _write_parquet_files(folder, delivered)
    columns = _excel_columns(delivered) if table.extension == "xlsx" else _text_columns(delivered)
    write = _writer_of(table)
    files = 0
    for day, start, stop in _files(delivered.rows):
        rows = zip(*(column[start:stop] for column in columns), strict=True)
        (folder / _file_name(table, day)).write_bytes(write(rows))
        files += 1
    return files


def _file_name(table: Table, day: int) -> str:
    return f"{table.name}_{date_of(day)}.{table.extension}"


def _files(rows: pd.DataFrame) -> Iterator[tuple[int, int, int]]:
    """(delivery day, first row, row after the last) of every file. The rows are sorted by delivery day."""
    days, starts = np.unique(rows["delivered_on"].to_numpy(), return_index=True)
    stops = [*starts[1:].tolist(), len(rows)]
    yield from zip(days.tolist(), starts.tolist(), stops, strict=True)


# ------------------------------------------------------------------------------------------------- cells as text


def utc_text(moments: pd.Series[Any]) -> list[str | None]:
    """`2025-06-01T12:34:56Z`, None where missing."""
    seconds = moments.dt.tz_localize(None).to_numpy().astype("datetime64[s]")
    texts = np.datetime_as_string(seconds)
    return [None if text == "NaT" else f"{text}Z" for text in texts.tolist()]


def warsaw_text(moments: pd.Series[Any]) -> list[str | None]:
    """`2025-06-01T14:34:56+02:00`, None where missing."""
    seconds = moments.dt.tz_localize(None).to_numpy().astype("datetime64[s]")
    missing = np.isnat(seconds)
    utc: IntArray = np.where(missing, 0, seconds.astype(np.int64))
    offset = warsaw_offset(utc)
    texts = np.datetime_as_string((utc + offset).astype("datetime64[s]"))
    hours = (offset // 3_600).tolist()
    together = zip(texts.tolist(), hours, missing.tolist(), strict=True)
    return [None if gone else f"{text}+0{hour}:00" for text, hour, gone in together]


def day_text(days: pd.Series[Any]) -> list[str | None]:
    """`2025-06-01`, None where missing."""
    texts = np.datetime_as_string(days.to_numpy().astype("datetime64[D]"))
    return [None if text == "NaT" else text for text in texts.tolist()]


def cents_text(cents: pd.Series[Any], mark: str = ".") -> list[str]:
    """`1234.50`, or `1234,50` with a comma as the decimal mark. Amounts are never negative."""
    return [f"{value // 100}{mark}{value % 100:02d}" for value in cents.tolist()]


def micros_text(micros: pd.Series[Any]) -> list[str]:
    """`0.2304`: up to six decimals, without trailing zeros."""
    return [f"{value // 1_000_000}.{value % 1_000_000:06d}".rstrip("0").rstrip(".") for value in micros.tolist()]


def _plain_text(column: pd.Series[Any]) -> list[str | None]:
    return [value if isinstance(value, str) else None for value in column.tolist()]


def _csv_cells(kind: Kind, column: pd.Series[Any], extension: str) -> Sequence[str | None]:
    renderers: dict[Kind, Callable[[pd.Series[Any]], Sequence[str | None]]] = {
        "text": _plain_text,
        "moment": utc_text,
        "day": day_text,
        "cents": lambda cents: cents_text(cents, "," if extension == "csv.gz" else "."),
        "micros": micros_text,
        "whole": lambda numbers: [str(number) for number in numbers.tolist()],
        "flag": lambda flags: ["true" if flag else "false" for flag in flags.tolist()],
    }
    return renderers[kind](column)


def _json_cells(kind: Kind, column: pd.Series[Any]) -> Sequence[str]:
    """Cells as JSON: quoted texts, money with two decimals, null where missing."""
    if kind == "cents":
        return cents_text(column)
    if kind in ("text", "moment", "day"):
        texts = {"text": _plain_text, "moment": warsaw_text, "day": day_text}[kind](column)
        return [_quoted(text) for text in texts]
    return _plain_json(column)


def _plain_json(column: pd.Series[Any]) -> list[str]:
    return [json.dumps(value) for value in column.tolist()]


def _quoted(text: str | None) -> str:
    return "null" if text is None else json.dumps(text, ensure_ascii=False)


def _text_columns(delivered: Delivered) -> list[list[str | None]]:
    """All columns of a text format as text, with the broken cells in place."""
    table, columns = delivered.table, []
    for name, kind in table.columns.items():
        as_json = table.extension == "jsonl"
        column = delivered.rows[name]
        cells = list(_json_cells(kind, column) if as_json else _csv_cells(kind, column, table.extension))
        for (row, broken_column), text in delivered.broken.items():
            if broken_column == name:
                cells[row] = _quoted(text) if as_json else text
        columns.append(cells)
    return columns


# ------------------------------------------------------------------------------------------------------ text files


def _writer_of(table: Table) -> Callable[[Iterator[tuple[Any, ...]]], bytes]:
    names = list(table.columns)
    if table.extension == "jsonl":
        return lambda rows: _json_lines(names, rows)
    if table.extension == "xlsx":
        return lambda rows: _excel_sheet(table.name, names, rows)
    if table.extension == "csv.gz":
        return lambda rows: _zipped(_delimited(names, rows, ";"))
    return lambda rows: _delimited(names, rows, _DELIMITERS[table.extension])


def _delimited(names: list[str], rows: Iterator[tuple[Any, ...]], delimiter: str) -> bytes:
    """A header line and one line per row, with quotes only where needed. Missing values are blank."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue().encode()


def _zipped(content: bytes) -> bytes:
    """Gzip without time and name, which would differ between runs."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=buffer, mtime=0) as archive:
        archive.write(content)
    return buffer.getvalue()


def _json_lines(names: list[str], rows: Iterator[tuple[Any, ...]]) -> bytes:
    line = "{" + ", ".join(f'"{name}": %s' for name in names) + "}\n"
    return "".join(line % row for row in rows).encode()


# ----------------------------------------------------------------------------------------------------------- Excel


def _excel_columns(delivered: Delivered) -> list[list[Any]]:
    """All columns as Excel values: real dates, numbers with two decimals, None where missing."""
    columns = []
    for name, kind in delivered.table.columns.items():
        column = delivered.rows[name]
        if kind == "day":
            columns.append([None if pd.isna(day) else day.to_pydatetime() for day in column])
        elif kind == "cents":
            columns.append([float(Decimal(cents).scaleb(-2)) for cents in column.tolist()])
        else:
            columns.append(_plain_text(column))
    return columns


def _excel_sheet(title: str, names: list[str], rows: Iterator[tuple[Any, ...]]) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet(title)
    sheet.append(names)
    for row in rows:
        sheet.append([_excel_cell(sheet, value) for value in row])
    buffer = io.BytesIO()
    book.save(buffer)
    return _timeless(buffer.getvalue())


def _excel_cell(sheet: Any, value: Any) -> Any:
    """Give dates a date format, so that they are shown and read as dates."""
    if not isinstance(value, datetime):
        return value
    cell = openpyxl.cell.WriteOnlyCell(sheet, value)
    cell.number_format = "yyyy-mm-dd"
    return cell


def _timeless(workbook: bytes) -> bytes:
    """The same workbook with a fixed day in place of the times of writing."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as source, zipfile.ZipFile(buffer, "w") as target:
        for name in sorted(source.namelist(), key=lambda name: (name != "[Content_Types].xml", name)):
            content = source.read(name)
            if name == "docProps/core.xml":
                stamp = _A_FIXED_DAY.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", stamp, content)
            entry = zipfile.ZipInfo(name, date_time=_A_FIXED_DAY.timetuple()[:6])
            entry.create_system = 3
            target.writestr(entry, content, compress_type=zipfile.ZIP_STORED)
    return buffer.getvalue()


# --------------------------------------------------------------------------------------------------------- Parquet


def _write_parquet_files(folder: Path, delivered: Delivered) -> int:
    """One Parquet file per delivery day, with real dates, times and decimals."""
    table = delivered.table
    casts = ", ".join(_parquet_cast(name, kind) for name, kind in table.columns.items())
    files = 0
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("delivered", _for_duckdb(delivered))
        connection.execute(f"CREATE TABLE rows AS SELECT {casts}, delivered_on, place FROM delivered")
        for day, _, _ in _files(delivered.rows):
            path = str(folder / _file_name(table, day)).replace("'", "''")
            connection.execute(
                f"COPY (SELECT * EXCLUDE (delivered_on, place) FROM rows WHERE delivered_on = {day} ORDER BY place) "
                f"TO '{path}' (FORMAT parquet, COMPRESSION zstd)"
            )
            files += 1
    return files


def _for_duckdb(delivered: Delivered) -> pd.DataFrame:
    """The same rows with None for missing texts, which DuckDB reads as NULL."""
    ready = delivered.rows.copy()
    for name, kind in delivered.table.columns.items():
        if kind == "text":
            ready[name] = np.array(_plain_text(ready[name]), dtype=object)
    return ready


def _parquet_cast(name: str, kind: Kind) -> str:
    # A whole number times an exact 0.01 stays exact, but a division by 100 would use floating point.
    value = f"{name} * 0.01::DECIMAL(3,2)" if kind == "cents" else name
    return f"CAST({value} AS {_PARQUET_TYPES[kind]}) AS {name}"
