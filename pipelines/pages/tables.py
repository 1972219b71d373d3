"""The tables of a section as files: what the page shows, with exact values.

Belongs here: reading rows and columns from a section's HTML, so that a file never says anything else than the page.
Does not belong here: how files are written and sent (`downloads.py`).

A column is named by its header, or as `data-header` of the header or the cell says. Numbers beside the first one of a
cell are columns of their own, named by the header and their part, `data-part`. So are words beside numbers. Charts,
which repeat numbers, are left out.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from html.parser import HTMLParser

from pipelines.output import NUMBER_FORMATS, OTHER_NUMBERS, Result
from pipelines.pages.words import N_, Words

Value = Decimal | int | date | str
Key = tuple[int, str, str]  # of a column of a file: the table's column, the cell's own header, and the part

_VOID = {"br", "img", "input", "hr", "meta", "link"}
_LONGEST_TITLE = 29
_WORDS = "\0"  # as a part: what a cell says beside its numbers
# What a part is called that names a column of the scorecard.
_PARTS = {"ci_low": N_("from"), "ci_high": N_("to"), "delta": N_("change"), "last_year_delta": N_("change")}


@dataclass
class Table:
    """A table as the page shows it: the names of its columns, and the values of each row by column and part."""

    name: str
    headers: list[str] = field(default_factory=list)
    rows: list[dict[Key, Value]] = field(default_factory=list)
    units: dict[Key, str] = field(default_factory=dict)
    charts: set[int] = field(default_factory=set)  # the columns that have some

    def result(self, words: Words) -> Result:
        """The rows with a column for each kind of number or words that some cell has."""
        found = {key: None for row in self.rows for key in row}
        empty = set(range(len(self.headers))) - self.charts - {key[0] for key in found}
        keys = sorted([*found, *((column, "", "") for column in empty)], key=lambda key: (key[0], key[2] == _WORDS))
        names = _unique([self._name(key, keys, words) for key in keys])
        types, formats = [], {}
        for key, name in zip(keys, names, strict=True):
            values = [row[key] for row in self.rows if key in row]
            types.append(
                "VARCHAR" if not values or any(isinstance(value, str) for value in values) else "DECIMAL(38,12)"
            )
            unit = self.units.get(key, "count" if all(isinstance(value, int) for value in values) else "")
            is_day = any(isinstance(value, date) for value in values)
            formats[name] = "yyyy-mm-dd" if is_day else NUMBER_FORMATS.get(unit, OTHER_NUMBERS)
        return Result(names, types, [tuple(row.get(key) for key in keys) for row in self.rows], formats)

    def _name(self, key: Key, keys: Sequence[Key], words: Words) -> str:
        position, own, part = key
        header = own or (self.headers[position] if position < len(self.headers) else "")
        if part == _WORDS:
            part = words.text("remark") if (position, own, "") in keys else ""
        else:
            part = words.text(_PARTS[part]) if part in _PARTS else part
        return ": ".join(filter(None, (header, part)))


def _unique(names: Sequence[str]) -> list[str]:
    """The names, with a number where one would occur twice."""
    return [
        name if (before := names[:place].count(name)) == 0 else f"{name} ({before + 1})"
        for place, name in enumerate(names)
    ]


def tables_of(html: str) -> list[Table]:
    """The tables of a section, in their order on the page."""
    reader = _Reader()
    reader.feed(html)
    return reader.tables


class _Reader(HTMLParser):
    """Reads tables: as it comes to a cell's end, it knows the cell's place, also beside one that spans rows."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[Table] = []
        self._label = ""  # of what is around the next table
        self._open: list[str] = []
        self._columns: list[int] = []  # the header of each place in a row, of those that span places the same
        self._spanning: dict[int, tuple[int, dict[Key, Value]]] = {}  # place → rows to come, and their values there
        self._place = 0
        self._cell: _Cell | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in _VOID:
            self._open.append(tag)
        if tag == "table":
            self.tables.append(Table(_title(self._label)))
            self._columns, self._spanning = [], {}
        elif tag == "tr":
            self._place = 0
            if "thead" not in self._open:
                self.tables[-1].rows.append({})
        elif tag in ("th", "td"):
            self._cell = _Cell(given)
        elif tag in ("data", "time") and self._cell is not None:
            self._cell.add(given)
        elif given.get("role") == "group":
            self._label = given["aria-label"]
        elif self._cell is not None:
            self._cell.words += " "
            self._cell.is_chart |= tag == "svg"

    def handle_endtag(self, tag: str) -> None:
        if tag in ("th", "td") and self._cell is not None:
            self._end(self._cell)
            self._cell = None
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._cell is not None and not {"svg", "data", "time"} & set(self._open):
            self._cell.words += data
        elif self._open and self._open[-1] == "figcaption":
            self._label = data

    def _end(self, cell: "_Cell") -> None:
        table = self.tables[-1]
        if "thead" in self._open:
            self._columns += [len(table.headers)] * cell.columns
            table.headers.append(cell.header or cell.text)
            return
        while self._place in self._spanning:
            self._repeat()
        column = self._columns[self._place] if self._place < len(self._columns) else self._place
        if cell.is_chart:
            table.charts.add(column)
        values: dict[Key, Value] = {(column, cell.header, part): value for part, value in cell.values.items()}
        table.units.update({(column, cell.header, part): unit for part, unit in cell.units.items()})
        if re.search(r"\w", cell.text):
            values[column, cell.header, _WORDS] = cell.text
        if cell.rows > 1:
            self._spanning[self._place] = (cell.rows - 1, values)
        self._add(values)
        self._place += cell.columns

    def _add(self, values: Mapping[Key, Value]) -> None:
        """Values of a cell; words under one header are one text."""
        row = self.tables[-1].rows[-1]
        for key, value in values.items():
            row[key] = f"{row[key]} {value}" if key in row and key[2] == _WORDS else value

    def _repeat(self) -> None:
        """What a cell of a row above says of this row too."""
        left, values = self._spanning.pop(self._place)
        self._add(values)
        if left > 1:
            self._spanning[self._place] = (left - 1, values)
        self._place += 1


class _Cell:
    """A cell while it is read."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self.header = given.get("data-header", "")
        self.columns, self.rows = int(given.get("colspan", 1)), int(given.get("rowspan", 1))
        self.values: dict[str, Value] = {}
        self.units: dict[str, str] = {}
        self.words = ""
        self.is_chart = False

    @property
    def text(self) -> str:
        without_brackets = re.sub(r"\(\s*\)", "", self.words)  # of a number
        return " ".join(without_brackets.split()).strip(" :\N{EN DASH}")

    def add(self, given: Mapping[str, str]) -> None:
        """A number or a date."""
        text = given.get("value") or given.get("datetime")
        if not text:
            return
        part = given.get("data-part") or (column if (column := given.get("data-column", "")) in _PARTS else "")
        if part in self.values:
            part = str(len(self.values) + 1)
        self.values[part] = _value(text)
        if unit := given.get("data-unit"):
            self.units[part] = unit


def _title(label: str) -> str:
    """The name of a sheet; Excel allows 31 characters, of which a number takes some if another sheet has the name."""
    return label if len(label) <= _LONGEST_TITLE else f"{label[: _LONGEST_TITLE - 1].rstrip()}…"


def _value(text: str) -> Value:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return date.fromisoformat(text)
    return int(number) if text.lstrip("-").isdigit() else number
