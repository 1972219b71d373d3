"""Writes results: a table for people, CSV, JSON and Parquet for programs, CSV and workbooks for Excel.

Belongs here: how rows, cells and times are written, and where to. Does not belong here: what is queried
(`cli/printing`, `pages`), and anything slow to import: commands that print respond within a second.
"""

import csv
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, TextIO

import duckdb
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.formatting import printable, undirected
from pipelines.sql import quote_path

_FETCHED_AT_ONCE = 10_000
_WIDEST_CELL = 60  # in a table that is cut to the width of the terminal
_SHEET_ROWS = 1_048_576
_EXACT_IN_EXCEL = 10**15  # beyond it, Excel rounds whole numbers
_LONGEST_CELL = 32_767
_FIRST_DATE = date(1900, 3, 1)  # Excel assumes a 29 February 1900, which did not exist
_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LONGEST_SHEET_NAME = 31
_NOT_IN_SHEET_NAMES = str.maketrans(dict.fromkeys("[]:*?/\\", " "))
# Excel's formats of numbers, by the unit of a KPI; of other units, such as days, it is the last.
NUMBER_FORMATS = {"money": "#,##0.00", "rate": "0.00%", "count": "#,##0", "score": "+0.0;-0.0;0.0"}
OTHER_NUMBERS = "#,##0.0###"


class UsageError(Exception):
    """A request is invalid; the message says why, and what is possible."""


class Format(StrEnum):
    """How a result is written."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"
    xlsx = "xlsx"


class Excel(StrEnum):
    """The decimal separator of the Excel that opens a CSV file."""

    point = "point"
    comma = "comma"


@dataclass(frozen=True)
class Target:
    """Where a result goes, and how it is written there.

    With `excel`, a double click opens the CSV file in Excel as a table: it has a byte order mark, semicolons if the
    comma is the decimal separator, and an apostrophe before text that Excel would take for a formula.
    """

    form: Format = Format.table
    file: Path | None = None
    excel: Excel | None = None

    @classmethod
    def of(cls, form: Format | None, file: Path | None, excel: Excel | None = None) -> "Target":
        """The requested target. Without a format, it is the one of the file's name, or CSV for Excel, or a table.

        Raises:
            UsageError: the format needs a file, or `excel` is given with a format other than CSV.
        """
        suffix = file.suffix.lower().removeprefix(".") if file else ""
        if form is None:
            named = Format(suffix) if suffix in list(Format) else None
            form = named or (Format.csv if excel else Format.table)
        if form in (Format.parquet, Format.xlsx) and file is None:
            raise UsageError(f"--format {form} needs --output FILE.")
        if excel and form is not Format.csv:
            raise UsageError(f"--excel applies only to CSV, and this is {form}.")
        return cls(form, file, excel)


@dataclass(frozen=True)
class Result:
    """Rows, read while they are written, and their columns.

    `number_formats` are Excel's formats, by column, where the column's type does not say enough.
    """

    columns: Sequence[str]
    types: Sequence[str]
    rows: Iterable[tuple[Any, ...]]
    number_formats: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, cursor: duckdb.DuckDBPyConnection) -> "Result":
        """The result of a connection's latest query."""
        description = cursor.description or []
        return cls([column[0] for column in description], [str(column[1]) for column in description], fetched(cursor))


@dataclass(frozen=True)
class Formatted:
    """A cell of a workbook with a number format of its own: values of several units share a column."""

    value: object
    number_format: str


@dataclass(frozen=True)
class Sheet:
    """A sheet of a workbook."""

    name: str
    result: Result


def fetched(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    """The rows of a result; only some are in memory at a time."""
    while rows := cursor.fetchmany(_FETCHED_AT_ONCE):
        yield from rows


def write(result: Result, target: Target) -> None:
    """Write a result as CSV, JSON, a workbook, or a table with all its rows.

    Raises:
        UsageError: the file cannot be written, or the result does not fit into it.
    """
    with aside(target.file) if target.file else nullcontext(None) as path:
        if target.form is Format.xlsx:
            assert path is not None
            write_workbook([Sheet("KPI", result)], path)
            return
        with path.open("w", encoding="utf-8", newline="") if path else nullcontext(sys.stdout) as file:
            if target.form is Format.csv:
                _write_csv(result, file, target.excel)
            elif target.form is Format.json:
                _write_json(result, file)
            else:
                print_table(result.columns, result.types, list(result.rows), file)


def write_parquet(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """Have DuckDB write the result of one select into the file `path`, with its types."""
    connection.execute(f"copy ({query}\n) to {quote_path(path)} (format parquet, compression zstd, use_tmp_file false)")


@contextmanager
def aside(file: Path) -> Iterator[Path]:
    """The path of a new file next to `file`. It replaces `file` if the block succeeds, so nothing is half-written.

    Raises:
        UsageError: the file cannot be written there.
    """
    try:
        place = file.resolve()
        if place.exists() and not place.is_file():
            raise UsageError(f"{file} is not a regular file.")
        new = place.with_name(f".{place.name}.{os.getpid()}")
        new.unlink(missing_ok=True)  # of a process of this number that was killed
        new.touch(exist_ok=False)  # never through a link that somebody has put there
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror or error}. Name another file: --output") from None
    try:
        yield new
        new.replace(place)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror or error}. Name another file: --output") from None
    finally:
        new.unlink(missing_ok=True)


def print_table(
    columns: Sequence[str], types: Sequence[str], rows: Sequence[tuple[Any, ...]], file: TextIO | None = None
) -> str:
    """Print rows as a box, and say what was left out because the terminal is too narrow."""
    file = file or sys.stdout
    console = Console(file=file, width=None if file.isatty() else 1_000_000)
    cells = [[printable(plain(value)) for value in row] for row in rows]
    widths = [
        max([len(name), *(len(row[position]) for row in cells)], default=0) for position, name in enumerate(columns)
    ]
    if file.isatty():
        widths = [min(width, _WIDEST_CELL) for width in widths]
    shown = _fitting(widths, console.width)
    table = Table()
    for position in shown:
        table.add_column(
            Text(printable(columns[position])),
            justify="left" if types[position] in ("VARCHAR", "BOOLEAN", "DATE") else "right",
            no_wrap=True,
            max_width=widths[position],
        )
    for row in cells:
        table.add_row(*(Text(row[position]) for position in shown))
    console.print(table)
    left_out = [columns[position] for position in range(len(columns)) if position not in shown]
    return f"{len(columns)} columns, {len(shown)} shown (not {', '.join(left_out)})" if left_out else ""


def _fitting(widths: Sequence[int], room: int) -> list[int]:
    """The columns that fit, chosen from both ends, since the first and last columns say most."""
    left, right = 0, len(widths)
    room -= 1
    while left < right:
        position = left if left <= len(widths) - right else right - 1
        room -= widths[position] + 3
        if room < 0 and left:
            break
        left, right = (left + 1, right) if position == left else (left, right - 1)
    return [*range(left), *range(right, len(widths))]


def _write_csv(result: Result, file: TextIO, excel: Excel | None) -> None:
    if excel:
        file.write("\N{BYTE ORDER MARK}")
    writer = csv.writer(file, lineterminator="\n", delimiter=";" if excel is Excel.comma else ",")
    writer.writerow(result.columns)
    if excel is None:
        writer.writerows([plain(value) for value in row] for row in result.rows)
    else:
        writer.writerows([_for_excel(value, excel) for value in row] for row in result.rows)


def _for_excel(value: object, excel: Excel) -> str:
    text = plain(value)
    if isinstance(value, Decimal | float):
        return text.replace(".", ",") if excel is Excel.comma else text
    return f"'{text}" if isinstance(value, str) and text.startswith(_STARTS_A_FORMULA) else text


def _write_json(result: Result, file: TextIO) -> None:
    """A list with a record per line group, written as it is read."""
    before = "[\n  "
    for row in result.rows:
        record = dict(zip(result.columns, map(json_value, row), strict=True))
        file.write(before + json.dumps(record, indent=2, ensure_ascii=False).replace("\n", "\n  "))
        before = ",\n  "
    file.write("[]\n" if before.startswith("[") else "\n]\n")


def write_workbook(sheets: Iterable[Sheet], path: Path) -> None:
    """Write a workbook: each sheet has a bold header that stays visible, and cells with their own types.

    Text is never a formula, whatever it begins with.

    Raises:
        UsageError: a result does not fit into a sheet.
    """
    from openpyxl import Workbook  # takes a moment, and only workbooks need it

    book = Workbook(write_only=True)
    for sheet in sheets:
        _fill(book.create_sheet(_sheet_name(sheet.name)), sheet.result)
    book.save(path)


def _fill(sheet: Any, result: Result) -> None:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.properties import PageSetupProperties

    sheet.freeze_panes = "A2"
    # On paper, every page has all columns, and the header.
    sheet.page_setup.orientation, sheet.page_setup.fitToHeight = "landscape", 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.print_title_rows = "1:1"
    formats = [
        result.number_formats.get(name) or _number_format(kind)
        for name, kind in zip(result.columns, result.types, strict=True)
    ]
    for position, (name, kind) in enumerate(zip(result.columns, result.types, strict=True), start=1):
        width = max(len(name) + 2, 24 if kind == "VARCHAR" else 14)
        sheet.column_dimensions[get_column_letter(position)].width = min(width, 60)

    def cell(value: object, number_format: str | None = None, bold: bool = False) -> Any:
        if isinstance(value, Formatted):
            number_format, value = value.number_format, value.value
        known = _excel_value(value)
        if known is None:
            return None
        if isinstance(known, str):
            text = undirected(ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", known))
            made: Any = WriteOnlyCell(sheet, value=text[:_LONGEST_CELL])
            made.data_type = "s"  # text that begins with = is not a formula
        else:
            made = WriteOnlyCell(sheet, value=known)
            if number_format:
                made.number_format = number_format
        if bold:
            made.font = Font(bold=True)
        return made

    sheet.append([cell(name, bold=True) for name in result.columns])
    for number, row in enumerate(result.rows, start=2):
        if number > _SHEET_ROWS:
            raise UsageError(f"An Excel sheet holds {_SHEET_ROWS:,} rows, and this has more. Write csv or parquet.")
        sheet.append([cell(value, form) for value, form in zip(row, formats, strict=True)])


def _sheet_name(name: str) -> str:
    """`name` as Excel allows it."""
    return name.translate(_NOT_IN_SHEET_NAMES).strip(" '")[:_LONGEST_SHEET_NAME] or "KPI"


def _number_format(kind: str) -> str | None:
    """How Excel shows a column of this DuckDB type; None leaves it to Excel."""
    if kind.startswith("DECIMAL") and (digits := int(kind.rstrip(")").rpartition(",")[2])) <= 6:
        return "#,##0" + ("." + "0" * digits if digits else "")
    if kind.startswith("TIMESTAMP"):
        return "yyyy-mm-dd hh:mm:ss"
    return "yyyy-mm-dd" if kind == "DATE" else None


def _excel_value(value: object) -> object:
    """`value` in a form that a cell can contain; as text if Excel has no type for it, or would round it."""
    if isinstance(value, datetime):
        value = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return value if value.date() >= _FIRST_DATE else str(value)
    if isinstance(value, date):
        return value if value >= _FIRST_DATE else str(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _EXACT_IN_EXCEL:
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | Decimal | time | timedelta) else str(value)


def plain(value: object) -> str:
    """A cell as text: decimals without trailing zeros, nothing for NULL."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def json_value(value: object) -> object:
    """A cell in a form that JSON can contain: numbers as numbers, times as text."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
