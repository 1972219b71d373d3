"""How to read a delivered file, and what it contains.

Belongs here: the packing, format, encoding, delimiter and header of a file. Does not belong here: the properties of its
columns (`columns.py`), and what they mean in this project (`mapping.py`). Nothing is guessed silently: if something can
be read in two ways, the result says so.
"""

import csv
import gzip
import json
import re
import shutil
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple, cast, get_args

import duckdb

from pipelines.config_files import ConfigError
from pipelines.ingest.gate import Admitted, DeliveryError
from pipelines.ingest.json_arrays import JsonArrayError, elements
from pipelines.ingest.readers import MAX_JSON_CHARACTERS, needs_more, read_delivery
from pipelines.ingest.workbooks import excel_text, first_line, rows_of_sheet
from pipelines.onboarding.cells import MAX_UNREADABLE_SHARE
from pipelines.onboarding.columns import Column, describe_columns
from pipelines.onboarding.no_records import no_records
from pipelines.sources import Table
from pipelines.sql import quote_name, quote_pattern
from pipelines.warehouse import READING_MEMORY, sandboxed

MAX_ROWS = 100_000  # the number of rows of a file that are read
_MOST_LINES_ABOVE = 20
_MOST_BELOW = 20
MAX_BYTES = 100_000_000  # the number of bytes of a text file that are read; what is beyond is not looked at
MAX_UNPACKED = 4_000_000_000
_LOOKED_AT = 5_000_000  # characters in which the delimiter is looked for
_MOST_CELLS, _MOST_NAMES = 5_000_000, 100_000
DELIMITERS = ",;\t|"

Format = Literal["csv", "whitespace", "json", "jsonl", "parquet", "excel"]
Encoding = Literal["utf-8", "utf-16", "latin-1", "cp1250", "cp1252"]


class UnrecognisedError(ConfigError):
    """A file or table that cannot be described. The message names it, the problem and the next step."""


@dataclass(frozen=True)
class Described:
    """The result: how to read a file, and its columns in delivered order."""

    label: str  # the name of the file or table
    format: Format | Literal["database"]
    columns: tuple[Column, ...]
    rows: int  # the number of rows that were read
    sample: tuple[tuple[str | None, ...], ...] = field(repr=False, default=())
    delimiter: str = ","
    encoding: Encoding = "utf-8"
    packed: Literal["", "gzip", "zip"] = ""
    last_line_end: Literal["required", "optional"] = "required"
    optional_columns: tuple[str, ...] = ()  # columns that some rows of a JSON file lack
    primary_key: tuple[str, ...] = ()  # the primary key of a database table
    skip_lines: int = 0  # of a CSV file: the lines above its header
    skip_rows: str = ""  # the condition for rows that are no records, such as totals
    notes: tuple[str, ...] = ()  # what a person should know or check
    months: Mapping[str, date] = field(default_factory=dict)  # columns of months that have become rows (`months.py`)
    delivered: tuple[Column, ...] = ()  # the columns before that

    @property
    def delivered_columns(self) -> tuple[Column, ...]:
        """The columns of the file, which differ from `columns` where months have become rows."""
        return self.delivered or self.columns

    def column(self, name: str) -> Column:
        """The column called `name`."""
        return next(column for column in self.columns if column.name == name)

    def cells(self, name: str) -> list[str | None]:
        """The cells of the column called `name`, without surrounding blanks; None for an empty cell."""
        place = [column.name for column in self.columns].index(name)
        return [(row[place] or "").strip() or None for row in self.sample]

    def identifies(self, names: Sequence[str]) -> bool:
        """True if these columns are never empty, and rows with the same values in them are equal."""
        places = [[column.name for column in self.columns].index(name) for name in names]
        seen = {tuple(row[place] for place in places) for row in self.sample}
        return len(seen) == len(set(self.sample)) and all(self.column(name).is_complete for name in names)

    def is_key(self, names: Sequence[str]) -> bool:
        """True if these columns are never empty, and no two rows have the same values in all of them."""
        places = [[column.name for column in self.columns].index(name) for name in names]
        seen = {tuple(row[place] for place in places) for row in self.sample}
        return len(seen) == len(self.sample) and all(self.column(name).is_complete for name in names)


# --- The file ---------------------------------------------------------------------------------------------------------


def describe_file(
    path: Path, encoding: str | None = None, dates: str | None = None, decimal: str | None = None
) -> Described:
    """Describe the file at `path` from its first 100,000 rows.

    `encoding`, `dates` (such as dd/mm/yyyy) and `decimal` (. or ,) decide what the file itself leaves open.

    Raises:
        UnrecognisedError: the file does not exist, is empty, or is not a table in a format that this project reads.
    """
    if not path.is_file():
        raise UnrecognisedError(f"{path}: no such file. Give the path of one delivered file.")
    with _unpacked(path) as (plain, packed), tempfile.TemporaryDirectory() as scratch:
        with plain.open("rb") as file:
            start = file.read(10_000)
        if not start.strip():
            raise UnrecognisedError(f"{path.name}: the file is empty. Give one that has a header and rows.")
        format_ = _binary_format(start, path.name)
        if format_:
            shape = _binary_shape(plain, path.name, format_)
        else:
            shape, plain = _text_shape(plain, path.name, encoding, Path(scratch) / "text")
        return _describe(plain, path.name, packed, shape, dates, decimal)


@contextmanager
def _unpacked(path: Path) -> Iterator[tuple[Path, Literal["", "gzip", "zip"]]]:
    with path.open("rb") as file:
        magic = file.read(4)
    is_zip = magic.startswith(b"PK") and path.suffix.lower() not in (".xlsx", ".xlsm")
    if not is_zip and not magic.startswith(b"\x1f\x8b"):
        yield path, ""
        return
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "unpacked"
        try:
            if is_zip:
                _unzip(path, plain)
            else:
                with gzip.open(path) as packed:
                    _unpack(cast(IO[bytes], packed), plain, path.name)
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
            raise UnrecognisedError(
                f"{path.name}: cannot be unpacked: {error}. It is truncated or has a password; have it sent again."
            ) from None
        yield plain, "zip" if is_zip else "gzip"


def _unzip(path: Path, plain: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir() and "__MACOSX" not in info.filename]
        if len(names) != 1 and "xl/workbook.xml" not in names:
            raise UnrecognisedError(
                f"{path.name}: contains {len(names)} files, but a delivery is one file. "
                "Unzip it and add each file separately."
            )
        if "xl/workbook.xml" in names:  # a workbook without the ending of one
            shutil.copyfile(path, plain)
            return
        with archive.open(names[0]) as packed:
            _unpack(packed, plain, path.name)


def _unpack(packed: IO[bytes], plain: Path, label: str) -> None:
    with plain.open("wb") as file:
        while piece := packed.read(1 << 20):
            file.write(piece)
            if file.tell() > MAX_UNPACKED:
                raise UnrecognisedError(f"{label}: unpacks to more than {MAX_UNPACKED:,} bytes. Give a smaller file.")


def _binary_format(start: bytes, label: str) -> Literal["parquet", "excel"] | None:
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith(b"PK"):
        return "excel"
    unreadable = {
        b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls). Save it as .xlsx or CSV.",
        b"%PDF": "a PDF. Have the data sent as CSV or Excel.",
        b"<": "HTML or XML, often an error page saved under the file's name. Have it sent as CSV or JSON.",
    }
    for magic, what in unreadable.items():
        if start.lstrip().startswith(magic):
            raise UnrecognisedError(f"{label}: this is {what}")
    return None


class _Shape(NamedTuple):
    """How to read a file."""

    format: Format
    header: list[str]
    delimiter: str = ","
    encoding: Encoding = "utf-8"
    last_line_end: Literal["required", "optional"] = "required"
    optional_columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    skip_lines: int = 0  # above the header
    is_plain: bool = True  # whether DuckDB's own reader can read this text file reliably


def _binary_shape(path: Path, label: str, format_: Literal["parquet", "excel"]) -> _Shape:
    if format_ == "parquet":
        try:
            with sandboxed(path.parent) as database:
                parquet = f"read_parquet({quote_pattern(path)})"
                described = database.execute(f"describe select * from {parquet}").fetchall()
        except duckdb.Error:
            raise UnrecognisedError(f"{label}: is not a complete Parquet file. Have it sent again.") from None
        return _Shape(format_, [name for name, *_ in described])
    from openpyxl import load_workbook

    try:
        rows = rows_of_sheet(path, None, MAX_UNPACKED, READING_MEMORY // 2)  # which ends where it takes too much
        start = [_without_end(row) for row in islice(rows, _MOST_LINES_ABOVE + 1)]
        with path.open("rb") as file:
            names = load_workbook(file, read_only=True, data_only=True, keep_links=False).sheetnames
    except MemoryError:
        raise UnrecognisedError(str(needs_more(label, READING_MEMORY))) from None
    except Exception as error:  # whatever the library raises on a damaged file
        raise UnrecognisedError(
            f"{label}: is not an Excel workbook: {first_line(error)}. Save it as .xlsx or CSV."
        ) from None
    notes: list[str] = []
    if len(names) > 1:
        notes.append(f"Only the first sheet, {names[0]}, is read; the sheets are {', '.join(names)}.")
    skipped = _rows_above_header(start)
    if skipped:
        titles = "; ".join(repr(str(row[0])[:60]) for row in start[:skipped] if row and row[0] is not None)
        notes.append(f"The header is in row {skipped + 1}. The rows above it are skipped (skip_lines): {titles}.")
    return _Shape(format_, _named(start[skipped] if start else []), notes=tuple(notes), skip_lines=skipped)


def _without_end(row: Sequence[object]) -> list[object]:
    """The row without empty cells at its end, since a sheet is as wide as its widest row."""
    cells = list(row)
    while cells and cells[-1] is None:
        cells.pop()
    return cells


def _rows_above_header(rows: Sequence[Sequence[object]]) -> int:
    """How many rows of a sheet are titles above the header, which is recognised as in text files; 0 if none."""
    for skipped, row in enumerate(rows[1:], start=1):
        above = max(len([cell for cell in other if cell is not None]) for other in rows[:skipped])
        are_names = all(isinstance(name, str) and re.search(r"[^\W\d_]", name) for name in row)
        if are_names and len(set(row)) == len(row) >= max(2 * above, 2):
            return skipped
    return 0


def _named(header: Sequence[object]) -> list[str]:
    """The header, with the reader's own names for columns without a name."""
    texts = [excel_text(name) for name in header]
    return [name or f"column_{place}" for place, name in enumerate(texts, start=1)]


# --- Text files -------------------------------------------------------------------------------------------------------


def _text_shape(plain: Path, label: str, encoding: str | None, copy: Path) -> tuple[_Shape, Path]:
    """How to read a text file, and a UTF-8 copy of the part that is looked at."""
    with plain.open("rb") as file:
        content = file.read(MAX_BYTES)
        is_array = content.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \r\n\t").startswith(b"[")
    is_cut = len(content) < plain.stat().st_size
    if is_cut:  # after the last whole line, or element
        content = content[: content.rfind(b"}" if is_array else b"\n") + 1]
        if not content:
            raise UnrecognisedError(
                f"{label}: its first line has more than {MAX_BYTES:,} bytes. Have it sent with a line for each row."
            )
        ends = _last_byte(plain)
    else:
        ends = content.rstrip(b"\x00")[-1:]
    encoding_, notes = _encoding(content, label, encoding)
    text = content.decode("utf-8-sig" if encoding_ == "utf-8" else encoding_)
    del content
    if is_cut and is_array:
        text = f"[{','.join(_whole_elements(text))}]"
    shape = (_json_shape if text.lstrip()[:1] in ("{", "[") else _delimited_shape)(text, label)
    copy.write_text(text, encoding="utf-8", newline="")
    return shape._replace(
        encoding=encoding_,
        notes=(*notes, *shape.notes),
        last_line_end="required" if ends in (b"\n", b"\r") or shape.format == "json" else "optional",
        is_plain=not any(odd in text for odd in ("\0", "\n\n", "\n\r\n", "\r\r")),
    ), copy


def _whole_elements(text: str) -> Iterator[str]:
    """The elements of the beginning of a JSON array."""
    with suppress(JsonArrayError):
        yield from (element for _, element in elements(StringIO(text)))


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-2, 2)
        return file.read().rstrip(b"\x00")[-1:]


def _encoding(content: bytes, label: str, told: str | None) -> tuple[Encoding, tuple[str, ...]]:
    """The encoding of `content`, and what is uncertain about it."""
    if told:
        candidates = get_args(Encoding)
        if told not in candidates:
            raise UnrecognisedError(f"--encoding: {told!r} is not one of {', '.join(candidates)}.")
        try:
            content.decode(told)
        except UnicodeError as error:
            raise UnrecognisedError(f"{label}: is not {told}: {error}. Choose another with --encoding.") from None
        return cast(Encoding, told), ()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            content.decode("utf-16")
        except UnicodeError as error:
            raise UnrecognisedError(f"{label}: is not whole UTF-16: {error}. Have it sent again.") from None
        return "utf-16", ()
    if b"\x00" in content[:10_000]:
        raise UnrecognisedError(
            f"{label}: contains NUL bytes, so it is neither text nor another supported format. "
            "Have it sent as CSV, JSON, Excel or Parquet."
        )
    try:
        content.decode("utf-8-sig")
    except UnicodeError:
        return _old_encoding(content)
    return "utf-8", ()


# Letters that distinguish the two code pages: frequent in languages of one, and rare or not letters in the other.
_CENTRAL = {**dict.fromkeys("łŁąĄżŻśŚźŹľĽ", 3), **dict.fromkeys("šžŠŽťŤűŰ", 2), **dict.fromkeys("ęćńčřěůďňőĆČŘ", 1)}
_WESTERN = {**dict.fromkeys("çÇàÀåÅ", 3), **dict.fromkeys("ñÑèÈãÃ", 2), **dict.fromkeys("êæøìùïòõÆØ", 1)}


def _old_encoding(content: bytes) -> tuple[Encoding, tuple[str, ...]]:
    try:
        western = content.decode("cp1252")
    except UnicodeError:  # cp1252 leaves five bytes undefined; most of them are letters in cp1250
        western = content.decode("latin-1")
    central = content.decode("cp1250", errors="replace")
    undecodable = "\ufffd" in central
    for_central = sum(_CENTRAL.get(character, 0) for character in central)
    for_western = sum(_WESTERN.get(character, 0) for character in western)
    if for_central > for_western and not undecodable:
        return "cp1250", ()
    try:
        content.decode("cp1252")
    except UnicodeError:
        return ("latin-1", ()) if undecodable else ("cp1250", ())
    if for_central == for_western and western != central and not undecodable:
        return "cp1252", ("Encoding: cp1252 and cp1250 both fit. If names look wrong, add --encoding cp1250.",)
    return "cp1252", ()


def _json_shape(text: str, label: str) -> _Shape:
    is_array = text.lstrip().startswith("[")
    counts: Counter[str] = Counter()  # in how many records a name occurs
    records = 0
    no_records_in = f"{label}: expected JSON objects, one per row. Have it sent as a list of records."
    try:
        for record in islice(_values(text, label, is_array), MAX_ROWS):
            if not isinstance(record, dict):
                raise UnrecognisedError(no_records_in)
            counts.update(record.keys())
            records += 1
            if len(counts) > _MOST_NAMES:
                raise UnrecognisedError(f"{label}: has more than {_MOST_NAMES:,} names. Have it sent as records.")
    except JsonArrayError as error:
        raise UnrecognisedError(f"{label}: {error}. Have it sent again.") from None
    if not records:
        raise UnrecognisedError(no_records_in)
    optional = tuple(name for name, count in counts.items() if count < records)
    return _Shape("json" if is_array else "jsonl", list(counts), optional_columns=optional)


def _values(text: str, label: str, is_array: bool) -> Iterator[Any]:
    """The values of a JSON array or of JSON lines, without those that will be unreadable rows."""
    texts = elements(StringIO(text)) if is_array else enumerate(_lines(text), start=1)
    advice = (
        "Have it sent again." if is_array else "Write one record per line, or the whole file as one array of records."
    )
    for number, line in texts:
        try:
            if len(line) <= MAX_JSON_CHARACTERS:
                yield json.loads(line, parse_int=str)  # a long number is no number for Python
        except RecursionError:
            continue
        except json.JSONDecodeError as error:
            at = number + error.lineno - 1
            raise UnrecognisedError(f"{label}: line {at}: not valid JSON: {error.msg}. {advice}") from None


def _lines(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        yield text[at:end]
        at = end + 1


def _delimited_shape(text: str, label: str) -> _Shape:
    lines = text[:_LOOKED_AT].splitlines()[:1000]
    names_delimiter = bool(re.fullmatch(r'"?sep=.?"?', lines[0].strip()))  # a line of Excel, which is always skipped
    lines = lines[names_delimiter:] or [""]
    share, _, delimiter = _best_delimiter(lines)
    if share < 0.9 and (skipped := _lines_above_header(lines)):
        _, _, delimiter = _best_delimiter(lines[skipped:])
        header = _named(next(csv.reader(lines[skipped:], delimiter=delimiter)))
        titles = "; ".join(repr(line.strip()[:60]) for line in lines[:skipped] if line.strip())
        skipped += names_delimiter
        note = f"The header is in line {skipped + 1}. The lines above it are skipped (skip_lines): {titles}."
        return _Shape("csv", header, delimiter, skip_lines=skipped, notes=(note,))
    if share < 0.9 and len({len(line.split()) for line in lines if line.strip()}) == 1 and len(lines[0].split()) > 1:
        return _Shape("whitespace", lines[0].split())
    if share == 0:
        raise UnrecognisedError(
            f"{label}: row 1 (header) is not separated by a comma, semicolon, tab or |, so its columns are unknown. "
            "Delete lines above the header, or have the file sent with one of these delimiters."
        )
    return _Shape("csv", _named(next(csv.reader(lines, delimiter=delimiter))), delimiter)


def _best_delimiter(lines: Sequence[str]) -> tuple[float, int, str]:
    """The share of rows that are as wide as the first one, that width, and the delimiter for which it is largest."""
    best: tuple[float, int, str] = (0.0, 1, ",")
    for delimiter in DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter, strict=False) if row]
        except csv.Error:
            continue
        widths = _without_remarks(widths)
        if widths and widths[0] > 1:
            best = max(best, (widths.count(widths[0]) / len(widths), widths[0], delimiter))
    return best


def _without_remarks(widths: list[int]) -> list[int]:
    """The widths of rows without those at the end that have one cell, such as a line `Generated by …`."""
    end = max((place for place, width in enumerate(widths, start=1) if width > 1), default=0)
    return widths[:end] if end > 1 and len(widths) - end <= _MOST_BELOW else widths


def _lines_above_header(lines: Sequence[str]) -> int:
    """How many lines are titles above the header; 0 if no line within reach is surely the header.

    A header has a name in each cell, and at least twice as many cells as any line above it. All rows below are as wide.
    """
    for skipped in range(1, min(len(lines) - 1, _MOST_LINES_ABOVE) + 1):
        if not lines[skipped].strip():
            continue
        share, width, delimiter = _best_delimiter(lines[skipped:])
        names = next(csv.reader(lines[skipped:], delimiter=delimiter))
        above = max(len([cell for cell in row if cell]) for row in csv.reader(lines[:skipped], delimiter=delimiter))
        are_names = all(re.search(r"[^\W\d_]", name) for name in names) and len(set(names)) == len(names)
        if share >= 0.9 and are_names and width >= 2 * above:
            return skipped
    return 0


def _describe(
    plain: Path, label: str, packed: Literal["", "gzip", "zip"], shape: _Shape, dates: str | None, decimal: str | None
) -> Described:
    check_names(shape.header, label)
    # Read it as the pipeline does, so that the description matches what will land.
    optional = shape.optional_columns
    table = Table(
        description=label,
        path="{delivered_on}",
        format=shape.format,
        delimiter=shape.delimiter,
        skip_lines=shape.skip_lines,
        columns=[name for name in shape.header if name not in optional] or shape.header,
        optional_columns=list(optional),
        key=["_row_number"],
    )
    names = ", ".join(quote_name(name) for name in shape.header)
    try:
        with sandboxed(plain.parent) as database:
            query, _ = read_delivery(database, Admitted(plain, label, shape.is_plain), table)
            broken = database.execute(
                f"select _row_number, _problem, _unreadable_row from ({query}) where _problem is not null order by 1"
            ).fetchall()
            size = " + ".join(f"coalesce(strlen({quote_name(name)}), 0)" for name in shape.header)
            rows = database.execute(
                f"select {names}, _row_number from ("
                f"select *, sum({size}) over (order by _row_number rows unbounded preceding) as _size_so_far "
                f"from ({query}) where _problem is null order by _row_number "
                f"limit {min(MAX_ROWS, _MOST_CELLS // len(shape.header))}) "
                f"where _size_so_far <= {MAX_BYTES} order by _row_number"
            ).fetchall()
    except DeliveryError as error:
        raise UnrecognisedError(str(error)) from None
    short = [cells for number, _, line in broken if (cells := _short_row(line, number, shape))]
    together = sorted([*rows, *short], key=lambda row: row[-1])
    skipped = no_records(shape.header, [row[:-1] for row in together])
    notes = [*shape.notes]
    for one in skipped:
        numbers = ", ".join(str(together[place][-1]) for place in sorted(one.places)[:5])
        if len(one.places) > 5:
            numbers += f" and {len(one.places) - 5:,} more"
        notes.append(f"Rows that are no records are skipped (skip_rows): row {numbers}: {one.what}.")
    left_out = {together[place][-1] for one in skipped for place in one.places}
    rows = [row[:-1] for row in rows if row[-1] not in left_out]
    broken = [(number, problem) for number, problem, _ in broken if number not in left_out]
    if len(broken) > MAX_UNREADABLE_SHARE * (len(rows) + len(broken)):
        number, problem = broken[0]
        raise UnrecognisedError(
            f"{label}: row {number}: {problem}. {len(broken)} of {len(rows) + len(broken)} rows are broken, so the "
            "file does not match its header. Have it sent again."
        )
    if not rows:
        raise UnrecognisedError(
            f"{label}: has a header but no rows. Give a file with rows, which show what the columns contain."
        )
    if broken:
        number, problem = broken[0]
        notes.append(f"Broken rows: {len(broken)}; the first is row {number}: {problem}. They are quarantined.")
    return Described(
        label=label,
        format=shape.format,
        columns=describe_columns(shape.header, rows, dates, decimal, prefers_comma=shape.delimiter == ";"),
        rows=len(rows),
        sample=tuple(rows),
        delimiter=shape.delimiter,
        encoding=shape.encoding,
        packed=packed,
        last_line_end=shape.last_line_end,
        optional_columns=optional,
        skip_lines=shape.skip_lines,
        skip_rows=" or ".join(f"({one.condition})" if len(skipped) > 1 else one.condition for one in skipped),
        notes=tuple(notes),
    )


def _short_row(line: str | None, number: int, shape: _Shape) -> tuple[str | int | None, ...] | None:
    """The cells of a broken row of a CSV file that has fewer of them than the header, and its number; else None."""
    if shape.format != "csv" or line is None:
        return None
    try:
        [cells] = csv.reader([line.rstrip("\r\n")], delimiter=shape.delimiter, strict=True)
    except (csv.Error, ValueError):
        return None
    width = len(shape.header)
    return (*cells, *[None] * (width - len(cells)), number) if 0 < len(cells) < width else None


def read_again(described: Described, dates: str | None, decimal: str | None) -> Described:
    """The same table, in which these decide what the cells leave open. What is personal stays so."""
    names = [column.name for column in described.columns]
    columns = describe_columns(names, described.sample, dates, decimal, prefers_comma=described.delimiter == ";")
    hidden = [
        replace(column, is_personal=True, example="***", values=frozenset()) if before.is_personal else column
        for column, before in zip(columns, described.columns, strict=True)
    ]
    return replace(described, columns=tuple(hidden))


def check_names(header: Sequence[str], label: str) -> None:
    """Accept a header if it consists of names, each of which occurs once.

    Raises:
        UnrecognisedError: a name occurs twice, or row 1 holds values.
    """
    doubled = [name for name, count in Counter(name.lower() for name in header).items() if count > 1]
    if doubled:
        raise UnrecognisedError(
            f"{label}: row 1 (header): column {doubled[0]!r} occurs more than once (case does not count). "
            "Give each column its own name."
        )
    values = [name for name in header if re.fullmatch(r"[-+]?[\d.,:/ -]+", name)]
    are_months = len(values) < len(header) and all(re.fullmatch(r"20\d\d-\d\d(-01)?", name) for name in values)
    if values and not are_months:
        raise UnrecognisedError(
            f"{label}: row 1 looks like values, not like column names. Have the file sent with a header, "
            "or write one as its first line."
        )
