"""Reads one admitted file as text, exactly as sent.

Belongs here: file formats, their headers, distinguishing rows that match the header from rows that do not, and leaving
out rows that are no records (`skip_rows` of the table).
Every reader turns a file into a DuckDB query whose columns are all text, in delivered order, followed by

* `_row_number`: the number that a person sees when opening the file. The header of a CSV, text or Excel file is row 1
  and its first data row is row 2, or later by the lines above the header; the first line of a JSON Lines file, the
  first object of a JSON array and the first row of a Parquet file are row 1. A line break inside a quoted cell does not
  begin a row.
* `_problem`: why the row cannot be parsed into columns, and `_unreadable_row`: its text. Both are NULL for a readable
  row; for an unreadable row, every cell is NULL.

Does not belong here: where files are and what happens to them (`landing.py`), whether a file is admitted (`gate.py`),
and what a cell means (staging).
"""

import csv
import gzip
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import duckdb

from pipelines.config_files import ConfigError
from pipelines.formatting import counted
from pipelines.ingest.gate import Admitted, DeliveryError, too_large
from pipelines.ingest.json_arrays import MOST_CHARACTERS, JsonArrayError, elements
from pipelines.ingest.workbooks import WorkbookError, first_line, rows_of_sheet
from pipelines.sources import Table, folded
from pipelines.sql import quote_name, quote_pattern, quote_text
from pipelines.warehouse import READING_MEMORY, SPILLED_PER_MEMORY

READING_COLUMNS = ("_row_number", "_unreadable_row", "_problem")
PROVENANCE = (
    *READING_COLUMNS,
    "_source_file",
    "_file_sha256",
    "_delivered_on",
    "_loaded_at",
)  # beside what was delivered

_MAX_COLUMNS = 1_000
_MAX_NAME = 1_000  # characters in the name of a column
# What is in memory as Python's objects at one time; a row may be larger, up to the limit of the gate.
_ROWS_AT_ONCE, _CELLS_AT_ONCE, _CHARACTERS_AT_ONCE = 100_000, 1_000_000, 16_000_000
_MOST_LINES = 100_000  # of a row with line breaks in quoted cells
_MOST_LINES_ABOVE = 20  # among which a header is looked for
_MAX_CELL_CHARACTERS = 2_000_000  # as in DuckDB's reader

MAX_JSON_CHARACTERS = 4_000_000  # of a row; as Python's objects, it is up to thirty times as large

csv.field_size_limit(_MAX_CELL_CHARACTERS)


class Delivered(NamedTuple):
    """The records of a file: a query that returns them, and how many other rows the file has, which are no records."""

    query: str
    skipped: int


class Row(NamedTuple):
    """One row of a file: its cells; if these do not match the header or are unknown, also its text and the reason."""

    number: int
    cells: Sequence[str | None] | None
    text: str | None = None
    problem: str | None = None


def read_delivery(
    connection: duckdb.DuckDBPyConnection, file: Admitted, table: Table, memory: int = READING_MEMORY
) -> Delivered:
    """A query on `connection` that returns the records of `file`; its columns are described above.

    `memory` is how many bytes reading may take. Half of it is for `connection`, whose limit is set where it is opened,
    and half for everything else.

    Raises:
        DeliveryError: the header differs from the declared one, the file is not in its declared format, or reading it
            takes more than `memory`.
        ConfigError: `skip_rows` or `if_missing` cannot be applied to the file.
    """
    rows = f"delivered_{_unique(file.label)}"
    try:
        if table.format == "excel":
            query = _read_excel(connection, file, table, memory)
        else:
            query = _READERS[table.format](connection, file, table)
        # Read to the end here, where every error is an error of this file.
        connection.execute(f"create or replace temp table {rows} as {query}")
    except (MemoryError, duckdb.OutOfMemoryException):
        raise needs_more(file.label, memory) from None
    except (DeliveryError, duckdb.FatalException):
        raise
    except Exception as error:  # any error that a library raises on a damaged file
        raise DeliveryError(
            f"{file.label}: cannot be read as {table.format}: {first_line(error)}. "
            "Have the file delivered again, or correct `format` in the source's YAML."
        ) from error
    _fill_missing(connection, rows, file, table)
    skipped = _skip_rows(connection, rows, file, table)
    _empty_unreadable(connection, rows)
    return Delivered(f"select * from {rows}", skipped)


def needs_more(label: str, memory: int) -> DeliveryError:
    """The refusal of a file of which reading takes more than `memory` bytes."""
    return DeliveryError(
        f"{label}: reading it takes more than `max_reading_memory` in kpi.yml allows ({memory / 1e9:g} GB, and "
        f"{SPILLED_PER_MEMORY} times that in temporary files). Have it delivered in several files, or raise the "
        "setting."
    )


def _skip_rows(connection: duckdb.DuckDBPyConnection, rows: str, file: Admitted, table: Table) -> int:
    """Remove from the table `rows` what is no record, and return the number of these rows.

    A row with too many or too few cells is judged by those that it has, since totals are often shorter than records. A
    row of which no cell is known, such as one with a broken quote, is never skipped.
    """
    if not table.skip_rows:
        return 0
    a_cell = f"coalesce({', '.join(map(quote_name, _cells_of(connection, rows)))})"
    _add_optional(connection, rows, table)
    try:
        [[skipped]] = connection.execute(
            f"delete from {rows} where (_problem is null or {a_cell} is not null) and ({table.skip_rows}\n)"
        ).fetchall()
    except duckdb.Error:  # its message may contain a delivered text
        raise ConfigError(
            f"skip_rows: the condition fails on a row of {file.label}. Let it convert texts with try_cast, which gives "
            "NULL for a text of another kind."
        ) from None
    return int(skipped)


def _fill_missing(connection: duckdb.DuckDBPyConnection, rows: str, file: Admitted, table: Table) -> None:
    """Fill the columns of `if_missing` that the file lacks."""
    delivered = {name.lower() for name in _cells_of(connection, rows)}
    missing = {column: sql for column, sql in table.if_missing.items() if column.lower() not in delivered}
    if not missing:
        return
    _add_optional(connection, rows, table)
    filled = ", ".join(f"{quote_name(column)} = cast({sql}\n as varchar)" for column, sql in missing.items())
    try:
        connection.execute(f"update {rows} set {filled} where _problem is null")
    except duckdb.Error:  # its message may contain a delivered text
        raise ConfigError(
            f"if_missing: an expression fails on a row of {file.label}. Let it convert texts with try_cast, which "
            "gives NULL for a text of another kind."
        ) from None


def _add_optional(connection: duckdb.DuckDBPyConnection, rows: str, table: Table) -> None:
    """Add the optional columns that the file lacks, all NULL."""
    delivered = {name.lower() for name in _cells_of(connection, rows)}
    for column in table.optional_columns:
        if column.lower() not in delivered:
            connection.execute(f"alter table {rows} add column {quote_name(column)} varchar")


def _empty_unreadable(connection: duckdb.DuckDBPyConnection, rows: str) -> None:
    """Make every cell of the unreadable rows NULL, since it is unknown which column a cell belongs to."""
    if connection.execute(f"select 1 from {rows} where _problem is not null limit 1").fetchone():
        nulls = ", ".join(f"{quote_name(column)} = null" for column in _cells_of(connection, rows))
        connection.execute(f"update {rows} set {nulls} where _problem is not null")


def _cells_of(connection: duckdb.DuckDBPyConnection, rows: str) -> list[str]:
    return [name for name in iter_columns(f"select * from {rows}", connection) if name not in READING_COLUMNS]


def _named_header(names: Iterable[str | None], table: Table, label: str, row: int = 1) -> list[str]:
    """What the delivered columns are called in raw: by their declared names, and as delivered where none is declared.

    Raises:
        DeliveryError: a column is missing or duplicated; the message names it and similar undeclared columns.
    """
    delivered = [name or f"column_{position}" for position, name in enumerate(names, start=1)]
    if problem := _unusable(delivered):
        raise DeliveryError(f"{label}: row {row} (header): {problem}. Have the file delivered again.")
    header = [table.column_of(name) or name for name in delivered]
    needed = [*table.columns, *(other for column in table.needs if column in header for other in table.needs[column])]
    missing = [column for column in needed if column not in header]
    reserved = [name for name in header if name.lower() in PROVENANCE]
    filled = [name for name in header if name in table.from_header]
    problems = []
    if missing:
        problems.append(f"column {', '.join(_with_other_names(column, table) for column in missing[:20])} is missing")
    problems += _doubled(delivered, header)
    if reserved:
        problems.append(f"column {', '.join(map(repr, reserved))} has a name that is reserved for raw tables")
    if filled:
        problems.append(f"column {', '.join(map(repr, filled))} has a name that `from_header` uses")
    if not problems:
        return header
    undeclared = [name[:60] for name in delivered if table.column_of(name) is None]
    if undeclared and table.personal_columns and not {*table.columns}.intersection(header):
        problems.append(f"{counted(len(undeclared), 'undeclared name')} not shown, since this may be a row of data")
    elif undeclared:
        problems.append(f"not declared: {', '.join(repr(column) for column in undeclared[:5])}")
    raise DeliveryError(
        f"{label}: row {row} (header): {'; '.join(problems)}. "
        "Have the file delivered again, or correct `columns` or `also` in the source's YAML, and its staging model."
    )


def _unusable(delivered: Sequence[str]) -> str | None:
    """Why no table can have these columns, whatever is declared."""
    if len(delivered) > _MAX_COLUMNS:
        return f"{len(delivered):,} columns, but at most {_MAX_COLUMNS:,} are read"
    longest = max(map(len, delivered), default=0)
    return f"a name of {longest:,} characters, but at most {_MAX_NAME:,} are read" if longest > _MAX_NAME else None


def _with_other_names(column: str, table: Table) -> str:
    others = ", ".join(map(repr, table.also.get(column, [])))
    return f"{column!r} (or {others})" if others else repr(column)


def _doubled(delivered: Sequence[str], header: Sequence[str]) -> Iterator[str]:
    """A sentence for each group of delivered columns that have one name in raw, where case makes no difference."""
    same: dict[str, list[str]] = {}
    for name, column in zip(delivered, header, strict=True):
        same.setdefault(column.lower(), []).append(name)
    for names in islice((names for names in same.values() if len(names) > 1), 20):
        spellings = [repr(name) for name in dict.fromkeys(names)]
        if len({folded(name) for name in names}) == 1:
            yield f"column {', '.join(spellings)} occurs more than once"
        else:
            yield f"columns {' and '.join(spellings)} are the same column"


def _read_csv(connection: duckdb.DuckDBPyConnection, file: Admitted, table: Table) -> str:
    skipped = _lines_above_header(file, table)
    with _open_text(file.path) as lines:
        above = "".join(islice(lines, skipped))
        delivered = next(csv.reader(lines, delimiter=table.delimiter), [])
    header = _named_header(delivered, table, file.label, row=skipped + 1)
    query = None
    if file.is_plain and '"' not in above:
        query = _read_csv_fast(connection, file, table, header, skipped)
    if not query:
        with _open_text(file.path) as lines:
            query = _register_rows(connection, header, _csv_rows(lines, table.delimiter, skipped), file.label)
    return _with_texts_of_header(query, delivered, table)


def _with_texts_of_header(query: str, delivered: Iterable[str | None], table: Table) -> str:
    """The rows with the columns of `from_header`: each has one text in all readable rows."""
    texts = table.texts_in(name or "" for name in delivered)
    columns = [
        f"case when _problem is null then {quote_text(text)} end as {quote_name(column)}, "
        for column, text in texts.items()
    ]
    return f"select {''.join(columns)}* from ({query})" if columns else query


def _lines_above_header(file: Admitted, table: Table) -> int:
    """How many lines come before the header: those that the source declares, and the line `sep=;` of Excel.

    Raises:
        DeliveryError: that line names another delimiter than the source.
    """
    with _open_text(file.path) as lines:
        first = next(lines, "").strip()
    if table.skip_lines == "auto":
        with _open_text(file.path) as lines:
            above = _rows_above_header(
                (next(csv.reader([line], delimiter=table.delimiter), []) for line in lines), table
            )
    else:
        above = table.skip_lines
    if not (named := re.fullmatch(r'"?sep=(.)"?', first)):
        return above
    if named[1] != table.delimiter:
        raise DeliveryError(
            f"{file.label}: row 1 says that {named[1]!r} separates the columns, but the delimiter of the source is "
            f"{table.delimiter!r}. Correct `delimiter` in the source's YAML."
        )
    return max(above, 1)


def _rows_above_header(rows: Iterable[Sequence[str | None]], table: Table) -> int:
    """How many rows come before the first that names every required column; 0 if there is none near the beginning."""
    for number, row in enumerate(islice(rows, _MOST_LINES_ABOVE)):
        if {*table.columns} <= {table.column_of(name or "") for name in row}:
            return number
    return 0


def _read_csv_fast(
    connection: duckdb.DuckDBPyConnection, file: Admitted, table: Table, header: list[str], skipped: int
) -> str | None:
    """The rows as DuckDB reads them; None if it cannot read one of them.

    It could skip such a row, but it numbers only the rows that it keeps, and it describes each superfluous cell with a
    copy of the row: a row of 200 kB would take minutes.
    """
    columns = ", ".join(f"{quote_text(column)}: 'VARCHAR'" for column in header)
    name = f"csv_{_unique(file.label)}"
    try:
        connection.execute(
            f"""
            create or replace temp table {name} as
            from read_csv(
                {quote_pattern(file.path)}, columns = {{{columns}}}, header = true, auto_detect = false,
                hive_partitioning = false,
                delim = {quote_text(table.delimiter)}, quote = '"', escape = '"', strict_mode = true,
                null_padding = false, skip = {skipped}
            )
            """
        )
    except (duckdb.OutOfMemoryException, duckdb.FatalException):
        raise
    except duckdb.Error:  # a row that does not match the header, or mixed line endings
        return None
    return f"select *, rowid + {skipped + 2} as _row_number, {_READABLE} from {name}"


def _csv_rows(lines: IO[str], delimiter: str, skipped: int) -> Iterator[Row]:
    """Every row after the header. A row with a broken quote ends with its line, so that no other row is affected."""
    source = _Rewindable(islice(lines, skipped, None))
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    width = len(next(reader))
    number = skipped + 1
    while True:
        source.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            text = source.taken[0]
            source.give_back(source.taken[1:])
            reader = csv.reader(source, delimiter=delimiter, strict=True)
            number += 1
            yield Row(number, None, text, _csv_problem(error))
            continue
        if not cells:  # a blank line
            number += 1
            continue
        number += 1
        text = "".join(source.taken)
        if "\0" in text:
            yield Row(number, None, text, "contains a NUL byte")
        else:
            yield _shaped(number, cells, width, text)


class _Rewindable:
    """Iterates over lines, remembers the lines taken since the last `clear`, and takes lines back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._returned: list[str] = []
        self._characters = 0
        self.taken: list[str] = []

    def clear(self) -> None:
        """Forget the lines taken so far."""
        self.taken.clear()
        self._characters = 0

    def __iter__(self) -> "_Rewindable":
        return self

    def __next__(self) -> str:
        line = self._returned.pop() if self._returned else next(self._lines)
        self.taken.append(line)
        self._characters += len(line)
        if self._characters > MOST_CHARACTERS or len(self.taken) > _MOST_LINES:
            raise ValueError(f"a row has more than {MOST_CHARACTERS:,} characters or {_MOST_LINES:,} lines")
        return line

    def give_back(self, lines: Sequence[str]) -> None:
        self._returned.extend(reversed(lines))


def _csv_problem(error: csv.Error) -> str:
    if "field larger" in str(error):
        return f"a cell has more than {_MAX_CELL_CHARACTERS:,} characters"
    return "a quote is not closed, or is inside a quoted cell without being doubled"


def _shaped(number: int, cells: Sequence[str | None], width: int, text: str | None) -> Row:
    if len(cells) == width:
        return Row(number, cells)
    return Row(number, _fitted(cells, width), text, f"{len(cells)} cells where the header has {width}")


def _fitted(cells: Sequence[str | None], width: int) -> list[str | None]:
    """As many cells as the header has columns: the missing ones are empty, and those beyond the header are left out."""
    return [*cells, *[None] * (width - len(cells))][:width]


def _read_whitespace(connection: duckdb.DuckDBPyConnection, file: Admitted, table: Table) -> str:
    with _open_text(file.path) as lines:
        header = _named_header(next(lines, "").split(), table, file.label)
        rows = (
            _shaped(number, line.split(), len(header), line)
            for number, line in enumerate(lines, start=2)
            if line.strip()
        )
        return _register_rows(connection, header, rows, file.label)


def _read_jsonl(connection: duckdb.DuckDBPyConnection, file: Admitted, table: Table) -> str:
    def found() -> Iterator[_Found]:
        with _open_text(file.path) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _json_line(number, line)

    return _register_records(connection, found, table, file.label)


def _read_json(connection: duckdb.DuckDBPyConnection, file: Admitted, table: Table) -> str:
    def found() -> Iterator[_Found]:
        with _open_text(file.path) as text:
            for number, (line, element) in enumerate(elements(text), start=1):
                try:
                    yield _json_value(number, element)
                except json.JSONDecodeError as error:
                    raise JsonArrayError(f"row {line + error.lineno - 1}: not valid JSON: {error.msg}") from None

    try:
        return _register_records(connection, found, table, file.label)
    except JsonArrayError as error:
        raise DeliveryError(
            f"{file.label}: {error}. Have the file delivered again, or write `format: jsonl` if it contains one object "
            "per line."
        ) from None


def _json_line(number: int, line: str) -> "_Found":
    try:
        return _json_value(number, line)
    except json.JSONDecodeError as error:
        return number, None, line, f"not valid JSON: {error.msg}"


def _json_value(number: int, text: str) -> "_Found":
    if len(text) > MAX_JSON_CHARACTERS:
        return number, None, text, f"has more than {MAX_JSON_CHARACTERS:,} characters"
    try:
        value = _JSON.decode(text)
    except RecursionError:
        return number, None, text, _TOO_DEEP
    return number, value, text, None if isinstance(value, dict) else _no_object(value)


# Numbers keep their original text: 12.30 must not become 12.3, and a long id must not lose digits.
_JSON_AS_SENT: dict[str, Any] = {"parse_float": str, "parse_int": str, "parse_constant": str}
_JSON = json.JSONDecoder(**_JSON_AS_SENT)  # `json.loads` would make one for every line
_TOO_DEEP = "JSON nested too deeply"
_Found = tuple[int, Any, str, str | None]  # row number, value, its text, and what is wrong with it


def _register_records(
    connection: duckdb.DuckDBPyConnection, found: Callable[[], Iterator[_Found]], table: Table, label: str
) -> str:
    """The records that `found` yields each time it is called; a large file is read twice rather than kept in memory."""
    names: dict[str, None] = {}
    is_empty = True
    for _, value, _, problem in found():
        is_empty = False
        if problem is None:
            names.update(dict.fromkeys(value))
        if len(names) > _MAX_COLUMNS:  # rather than remember all that come
            break
    delivered = list(names)
    header = delivered if is_empty else _named_header(delivered, table, label)
    delivered_as = {column: column for column in table.columns} | dict(zip(header, delivered, strict=True))

    def rows() -> Iterator[Row]:
        for number, value, text, problem in found():
            record = {} if problem else value
            lacking = (
                None if problem else next((name for name in table.columns if delivered_as[name] not in record), None)
            )
            try:
                cells = [_json_text(record.get(name)) for name in delivered_as.values()]
            except RecursionError:  # writing a value takes more levels than reading it
                cells, problem = None, _TOO_DEEP
            if problem or lacking:
                yield Row(number, cells, text, problem or f"{lacking!r} is missing")
            else:
                yield Row(number, cells)

    return _register_rows(connection, list(delivered_as), rows(), label)


def _read_parquet(connection: duckdb.DuckDBPyConnection, file: Admitted, table: Table) -> str:
    source = f"read_parquet({quote_pattern(file.path)}, file_row_number = true, hive_partitioning = false)"
    described = connection.execute(f"describe select * from {source}").fetchall()
    delivered = [name for name, *_ in described if name != "file_row_number"]
    header = _named_header(delivered, table, file.label)
    texts = [f"cast({quote_name(name)} as varchar)" for name in delivered]
    if _is_larger(connection, file.path, texts, table.max_bytes):
        raise too_large(table, file.label)
    columns = ", ".join(f"{text} as {quote_name(column)}" for text, column in zip(texts, header, strict=True))
    return f"select {columns}, file_row_number + 1 as _row_number, {_READABLE} from {source}"


def _is_larger(connection: duckdb.DuckDBPyConnection, path: Path, texts: Sequence[str], most_bytes: int) -> bool:
    """Whether the cells of a Parquet file have more bytes as text, each with a separator.

    A dictionary and runs let a file of kilobytes hold terabytes, and what it states about its size need not be true. So
    the cells are added up before any is kept: what is only added up stays a reference to the dictionary.
    """
    file = quote_pattern(path)
    [[rows]] = connection.execute(f"select num_rows from parquet_file_metadata({file})").fetchall()
    if int(rows) * len(texts) > most_bytes:
        return True
    size = " + ".join(f"coalesce(sum(strlen({text})), 0)" for text in texts)
    [[size_of_texts]] = connection.execute(
        f"select {size} from read_parquet({file}, hive_partitioning = false)"
    ).fetchall()
    return int(size_of_texts) + int(rows) * len(texts) > most_bytes


def _read_excel(connection: duckdb.DuckDBPyConnection, file: Admitted, table: Table, memory: int) -> str:
    try:
        return _register_sheet(
            connection, rows_of_sheet(file.path, table.sheet, table.max_bytes, memory // 2), file, table
        )
    except WorkbookError as error:
        raise DeliveryError(
            f"{file.label}: {error}. Have the file delivered again, or correct the source's YAML."
        ) from None


def _register_sheet(
    connection: duckdb.DuckDBPyConnection, lines: Iterator[list[str | None]], file: Admitted, table: Table
) -> str:
    first = list(islice(lines, _MOST_LINES_ABOVE if table.skip_lines == "auto" else table.skip_lines + 1))
    above = _rows_above_header(first, table) if table.skip_lines == "auto" else table.skip_lines
    delivered = first[above] if above < len(first) else []
    while delivered and delivered[-1] is None:  # a sheet is as wide as its widest row
        delivered.pop()
    header = _named_header(delivered, table, file.label, row=above + 1)

    def rows() -> Iterator[Row]:
        for number, cells in enumerate(chain(first[above + 1 :], lines), start=above + 2):
            if not any(cells):  # rows with only empty cells do not count as rows
                continue
            if any(cells[len(header) :]):
                text = json.dumps(cells, ensure_ascii=False)
                problem = f"has cells beyond the header's {len(header)} columns"
                yield Row(number, _fitted(cells, len(header)), text, problem)
            else:
                yield Row(number, _fitted(cells, len(header)))

    query = _register_rows(connection, header, rows(), file.label)
    return _with_texts_of_header(query, delivered, table)


_READERS: dict[str, Callable[[duckdb.DuckDBPyConnection, Admitted, Table], str]] = {
    "csv": _read_csv,
    "whitespace": _read_whitespace,
    "json": _read_json,
    "jsonl": _read_jsonl,
    "parquet": _read_parquet,
}

_READABLE = "cast(null as varchar) as _unreadable_row, cast(null as varchar) as _problem"


def _register_rows(connection: duckdb.DuckDBPyConnection, header: list[str], rows: Iterable[Row], label: str) -> str:
    import pandas as pd  # takes half a second, and commands that only count landed days must respond immediately

    no_cells = [None] * len(header)
    name = f"rows_{_unique(label)}"
    cells = ", ".join(f"nullif(cast({quote_name(column)} as varchar), '') as {quote_name(column)}" for column in header)
    for number, batch in enumerate(_batches(rows)):
        table = [(*(row.cells or no_cells), row.number, row.text, row.problem) for row in batch]
        connection.register("batch", pd.DataFrame(table, columns=[*header, *READING_COLUMNS], dtype=object))
        write = f"insert into {name}" if number else f"create or replace temp table {name} as"
        connection.execute(
            f"{write} select {cells}, cast(_row_number as bigint) as _row_number, "
            "cast(_unreadable_row as varchar) as _unreadable_row, cast(_problem as varchar) as _problem from batch"
        )
        connection.unregister("batch")
    return f"select * from {name}"


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The rows in lists that fit into memory; one empty list if there are none."""
    batch: list[Row] = []
    cells = characters = batches = 0
    for row in rows:
        batch.append(row)
        cells += len(row.cells or ())
        characters += len(row.text or "") + sum(map(len, filter(None, row.cells or ())))
        if len(batch) == _ROWS_AT_ONCE or cells > _CELLS_AT_ONCE or characters > _CHARACTERS_AT_ONCE:
            yield batch
            batch = []
            cells = characters = 0
            batches += 1
    if batch or not batches:
        yield batch


def _open_text(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _json_text(value: Any) -> str | None:
    text = value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # Half of a surrogate pair, which JSON can contain but no file can.
    return text if text is None else text.encode("utf-8", "replace").decode()


def _no_object(value: Any) -> str:
    return f"a JSON {_json_name(value)} where an object is expected"


def _json_name(value: Any) -> str:
    return {dict: "object", list: "array", str: "text or number", bool: "boolean"}.get(type(value), "null")


def _unique(label: str) -> str:
    return f"{abs(hash(label))}"


def iter_columns(query: str, connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """The names of the columns that `query` returns."""
    for name, *_ in connection.execute(f"describe {query}").fetchall():
        yield name
