"""Reads one delivered file as text, exactly as sent.

Belongs here: file formats, and the errors of files that are not what their source declares. Every reader turns a file
into a DuckDB query whose columns are all text, in delivered order, plus `_row_number`.
Does not belong here: where files lie and what becomes of them (`landing.py`), and what a cell means (staging).

`_row_number` counts as a person sees it who opens the file: the header of a CSV, text or Excel file is row 1 and its
first data row 2; the first line of a JSON Lines file and the first row of a Parquet file are row 1.
"""

import csv
import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile

import duckdb
import pandas as pd

from pipelines.sources import Table


class DeliveryError(Exception):
    """A delivered file cannot be read as its source declares; the message names file, row and column."""


def read_delivery(connection: duckdb.DuckDBPyConnection, path: Path, table: Table, label: str) -> str:
    """A query over `connection` that yields the rows of the file at `path`; `label` names it in errors.

    Raises:
        DeliveryError: the header differs from the declared one, or a row cannot be read.
    """
    if path.stat().st_size == 0:
        raise DeliveryError(f"{label}: the file is empty, it has not even a header. Have it delivered again.")
    try:
        return _READERS[table.format](connection, path, table, label)
    except (OSError, EOFError, UnicodeError, csv.Error, BadZipFile, duckdb.Error) as error:
        raise DeliveryError(
            f"{label}: cannot be read as {table.format}: {_first_line(error)}. "
            "Have the file delivered again, or correct `format` and `encoding` in the source's YAML."
        ) from error


def check_header(header: list[str], table: Table, label: str) -> None:
    """Accept a header that has every declared column once, in any order; more columns are welcome.

    Raises:
        DeliveryError: naming each column that is missing or doubled, and the undeclared ones it may be mistaken for.
    """
    missing = [column for column in table.columns if column not in header]
    doubled = [column for column, count in Counter(header).items() if count > 1]
    problems = []
    if missing:
        problems.append(f"column {', '.join(repr(column) for column in missing)} is missing")
    if doubled:
        problems.append(f"column {', '.join(repr(column) for column in doubled)} stands there more than once")
    if not problems:
        return
    undeclared = [column[:60] for column in header if column not in table.columns]
    if undeclared:
        problems.append(f"not declared: {', '.join(repr(column) for column in undeclared[:5])}")
    raise DeliveryError(
        f"{label}: row 1 (header): {'; '.join(problems)}. "
        "Have the file delivered again, or correct `columns` in the source's YAML and its staging model."
    )


def _read_csv(connection: duckdb.DuckDBPyConnection, path: Path, table: Table, label: str) -> str:
    with _open_text(path, table.encoding) as file:
        header = next(csv.reader(file, delimiter=table.delimiter), [])
    check_header(header, table, label)
    if table.encoding != "utf-8":  # DuckDB reads neither cp1250 nor UTF-16
        with _open_text(path, table.encoding) as file:
            rows = list(csv.reader(file, delimiter=table.delimiter))
        return _register_rows(connection, header, rows[1:], label, first_row=2)
    columns = ", ".join(f"{sql_text(column)}: 'VARCHAR'" for column in header)
    rejects = f"rejects_{abs(hash(path))}"
    names = ", ".join(sql_name(column) for column in header)
    connection.execute(
        f"""
        create or replace temp table {rejects}_rows as
        select {names}
        from read_csv(
            {sql_text(literal_path(path))}, columns = {{{columns}}}, header = true, auto_detect = false,
            delim = {sql_text(table.delimiter)}, quote = '"', escape = '"', strict_mode = true, null_padding = false,
            store_rejects = true, rejects_table = '{rejects}', rejects_scan = '{rejects}_scan', rejects_limit = 1
        )
        """
    )
    # The message of a rejected row holds its values, which may be personal: only its place is told.
    rejected = connection.execute(f"select line, column_name, error_type from {rejects} order by line").fetchone()
    if rejected:
        line, column, problem = rejected
        raise DeliveryError(
            f"{label}: row {line}, column {column or '?'}: {str(problem).lower().replace('_', ' ')}. "
            "The row does not have the header's shape (a delimiter or a quote too many or too few)."
        )
    return f"select *, rowid + 2 as _row_number from {rejects}_rows"


def _read_whitespace(connection: duckdb.DuckDBPyConnection, path: Path, table: Table, label: str) -> str:
    with _open_text(path, table.encoding) as file:
        header, *rows = [line.split() for line in file] or [[]]
    check_header(header, table, label)
    return _register_rows(connection, header, rows, label, first_row=2)


def _read_jsonl(connection: duckdb.DuckDBPyConnection, path: Path, table: Table, label: str) -> str:
    records: list[dict[str, str | None]] = []
    columns = dict.fromkeys(table.columns)
    with _open_text(path, table.encoding) as file:
        for number, line in enumerate(file, start=1):
            try:
                # Numbers stay the text they were: 12.30 must not become 12.3, nor a long id lose digits.
                record = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
            except json.JSONDecodeError as error:
                raise DeliveryError(f"{label}: row {number}: not valid JSON: {error.msg}.") from None
            if not isinstance(record, dict):
                raise DeliveryError(f"{label}: row {number}: expected a JSON object, found a {type(record).__name__}.")
            if not columns.keys() <= record.keys():
                missing = next(column for column in table.columns if column not in record)
                raise DeliveryError(f"{label}: row {number}: column {missing!r} is missing.")
            records.append({column: _json_text(value) for column, value in record.items()})
    for record in records:
        columns.update(dict.fromkeys(record))
    rows = [[record.get(column) for column in columns] for record in records]
    return _register_rows(connection, list(columns), rows, label, first_row=1)


def _read_parquet(connection: duckdb.DuckDBPyConnection, path: Path, table: Table, label: str) -> str:
    file = f"read_parquet({sql_text(literal_path(path))}, file_row_number = true)"
    described = connection.execute(f"describe select * from {file}").fetchall()
    header = [name for name, *_ in described if name != "file_row_number"]
    check_header(header, table, label)
    columns = ", ".join(f"cast({sql_name(column)} as varchar) as {sql_name(column)}" for column in header)
    return f"select {columns}, file_row_number + 1 as _row_number from {file}"


def _read_excel(connection: duckdb.DuckDBPyConnection, path: Path, table: Table, label: str) -> str:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        workbook = load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, KeyError, ValueError) as error:
        raise DeliveryError(f"{label}: not an Excel workbook: {_first_line(error)}") from None
    try:
        header, *rows = [[_excel_text(value) for value in row] for row in workbook.worksheets[0].values] or [[]]
    finally:
        workbook.close()
    names = [name or "" for name in header]
    check_header(names, table, label)
    # A sheet's rows end at their last filled cell. Rows of empty cells only are no rows.
    rows = [row + [None] * (len(names) - len(row)) for row in rows if any(row)]
    return _register_rows(connection, names, rows, label, first_row=2)


_READERS: dict[str, Callable[[duckdb.DuckDBPyConnection, Path, Table, str], str]] = {
    "csv": _read_csv,
    "whitespace": _read_whitespace,
    "jsonl": _read_jsonl,
    "parquet": _read_parquet,
    "excel": _read_excel,
}


def _register_rows(
    connection: duckdb.DuckDBPyConnection,
    header: list[str],
    rows: Sequence[Sequence[str | None]],
    label: str,
    first_row: int,
) -> str:
    for number, row in enumerate(rows, start=first_row):
        if len(row) != len(header):
            raise DeliveryError(f"{label}: row {number}: {len(row)} cells where the header has {len(header)}.")
    frame = pd.DataFrame(rows, columns=header, dtype=object)
    frame = frame.mask(frame == "", None)
    frame["_row_number"] = range(first_row, first_row + len(rows))
    view = f"rows_{abs(hash(label))}"
    connection.register(view, frame)
    names = ", ".join(f"cast({sql_name(column)} as varchar) as {sql_name(column)}" for column in header)
    return f"select {names}, _row_number from {view}"


def _open_text(path: Path, encoding: str) -> IO[str]:
    codec = "utf-8-sig" if encoding == "utf-8" else encoding
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding=codec, newline="")
    return path.open(encoding=codec, newline="")


def _json_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _excel_text(value: Any) -> str | None:
    if isinstance(value, datetime) and value.time() == datetime.min.time():
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return None if value is None else str(value)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def literal_path(path: Path) -> str:
    """`path` as DuckDB must be given it: it reads file names as glob patterns."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in str(path))


def sql_text(value: str) -> str:
    """`value` as an SQL string."""
    return "'" + value.replace("'", "''") + "'"


def sql_name(value: str) -> str:
    """`value` as an SQL identifier."""
    return '"' + value.replace('"', '""') + '"'


def iter_columns(query: str, connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """The names of the columns `query` yields."""
    for name, *_ in connection.execute(f"describe {query}").fetchall():
        yield name
