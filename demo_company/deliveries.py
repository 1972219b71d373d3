"""Writes the files that the demo company's systems deliver, each system in its own format, part by part.

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
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

import duckdb
import numpy as np
import openpyxl
import pandas as pd

from demo_company.clock import IntArray, date_of, warsaw_offset
from demo_company.dirt import Delivered
from demo_company.tables import TABLES, Kind, Table

_COPIED_AT_ONCE = 1 << 20
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


class Deliveries:
    """The files of a landing folder. Use it as a context: it writes below `drafts` what is added, the files at its end.

    A system delivers old rows before new ones. So a file has the rows of a month from all parts before those of the
    next month; those of one part keep their order.
    """

    def __init__(self, landing: Path, drafts: Path) -> None:
        self._landing, self._drafts = landing, drafts
        self._parquet: dict[str, _ParquetFiles] = {}
        self.files = 0

    def __enter__(self) -> Self:
        self._drafts.mkdir()
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is None:
            for folder in sorted(self._drafts.iterdir()):
                self.files += self._finish(TABLES[folder.name])
        for parquet in self._parquet.values():
            parquet.close()
        shutil.rmtree(self._drafts)

    def add(self, delivered: Delivered) -> None:
        """Add rows of one table."""
        table = delivered.table
        folder = self._drafts / table.full_name
        folder.mkdir(exist_ok=True)
        if table.extension == "parquet":
            if table.full_name not in self._parquet:
                self._parquet[table.full_name] = _ParquetFiles(table, folder)
            self._parquet[table.full_name].add(delivered)
            return
        is_excel = table.extension == "xlsx"
        columns = _excel_columns(delivered) if is_excel else _text_columns(delivered)
        write = _writer_of(table)
        months = np.zeros(len(delivered.rows), dtype=np.int64) if is_excel else _months(delivered.rows)
        for day, month, start, stop in _sections(delivered.rows, months):
            section = folder / str(day) / str(month)
            section.parent.mkdir(exist_ok=True)
            with section.open("xb" if is_excel else "ab") as file:
                file.write(write(zip(*(column[start:stop] for column in columns), strict=True)))

    def _finish(self, table: Table) -> int:
        """Write the files of one table. Return their number."""
        folder = self._landing / table.source / table.name
        folder.mkdir(parents=True)
        if table.extension == "parquet":
            return self._parquet[table.full_name].write(folder)
        days = list((self._drafts / table.full_name).iterdir())
        for day in days:
            with _opened(folder / _file_name(table, int(day.name)), table) as file:
                file.write(_header(table))
                for section in sorted(day.iterdir(), key=lambda section: int(section.name)):
                    with section.open("rb") as rows:
                        shutil.copyfileobj(rows, file, _COPIED_AT_ONCE)
                    section.unlink()
        return len(days)


def _file_name(table: Table, day: int) -> str:
    return f"{table.name}_{date_of(day)}.{table.extension}"


def _sections(rows: pd.DataFrame, months: IntArray) -> Iterator[tuple[int, int, int, int]]:
    """(delivery day, month, first row, row after the last) of every section. The rows are sorted by delivery day."""
    days = rows["delivered_on"].to_numpy(dtype=np.int64)
    starts = np.flatnonzero(np.diff(days, prepend=-1) | np.diff(months, prepend=-1))
    stops = [*starts[1:].tolist(), len(rows)]
    yield from zip(days[starts].tolist(), months[starts].tolist(), starts.tolist(), stops, strict=True)


def _months(rows: pd.DataFrame) -> IntArray:
    """The month to which each row belongs, as a number; or the latest month before it in its file, if that is later."""
    months = rows["happened_on"].to_numpy().astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    latest: IntArray = pd.Series(months).groupby(rows["delivered_on"].to_numpy()).cummax().to_numpy()
    return latest


@contextmanager
def _opened(path: Path, table: Table) -> Iterator[BinaryIO]:
    """A new file, with gzip if the table's files are compressed, without time and name, which differ between runs."""
    with path.open("wb") as file:
        if table.extension != "csv.gz":
            yield file
            return
        with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as archive:
            yield cast(BinaryIO, archive)


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
    return "null" if text is None else encode_basestring(text)


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


def _header(table: Table) -> bytes:
    """What precedes the rows in a file."""
    return _delimited([tuple(table.columns)], _DELIMITERS[table.extension]) if table.extension in _DELIMITERS else b""


def _writer_of(table: Table) -> Callable[[Iterable[tuple[Any, ...]]], bytes]:
    names = list(table.columns)
    if table.extension == "jsonl":
        return lambda rows: _json_lines(names, rows)
    if table.extension == "xlsx":
        return lambda rows: _excel_sheet(table.name, names, rows)
    return lambda rows: _delimited(rows, _DELIMITERS[table.extension])


def _delimited(rows: Iterable[tuple[Any, ...]], delimiter: str) -> bytes:
    """One line per row, with quotes only where needed. Missing values are blank."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _json_lines(names: list[str], rows: Iterable[tuple[Any, ...]]) -> bytes:
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


def _excel_sheet(title: str, names: list[str], rows: Iterable[tuple[Any, ...]]) -> bytes:
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


class _ParquetFiles:
    """The Parquet files of one table, with real dates, times and decimals. The rows wait in a database in `drafts`."""

    def __init__(self, table: Table, drafts: Path) -> None:
        self._table = table
        self._connection = duckdb.connect(drafts / "rows.duckdb")
        self._connection.execute("SET threads = 1")
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET memory_limit = '500MB'")
        columns = ", ".join(f"{name} {_PARQUET_TYPES[kind]}" for name, kind in table.columns.items())
        self._connection.execute(f"CREATE TABLE rows ({columns}, delivered_on BIGINT, month BIGINT, place BIGINT)")
        self._places = 0

    def add(self, delivered: Delivered) -> None:
        """Add the rows of one part."""
        casts = ", ".join(_parquet_cast(name, kind) for name, kind in self._table.columns.items())
        places = range(self._places, self._places + len(delivered.rows))
        self._places = places.stop
        rows = _for_duckdb(delivered).assign(month=_months(delivered.rows), place=places)
        self._connection.register("delivered", rows)
        self._connection.execute(f"INSERT INTO rows SELECT {casts}, delivered_on, month, place FROM delivered")
        self._connection.unregister("delivered")

    def write(self, folder: Path) -> int:
        """Write one file per delivery day. Return their number."""
        days = self._connection.sql("SELECT DISTINCT delivered_on FROM rows").fetchall()
        for (day,) in days:
            path = str(folder / _file_name(self._table, day)).replace("'", "''")
            self._connection.execute(
                f"COPY (SELECT {', '.join(self._table.columns)} FROM rows WHERE delivered_on = {day} "
                f"ORDER BY month, place) TO '{path}' (FORMAT parquet, COMPRESSION zstd)"
            )
        return len(days)

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()


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
