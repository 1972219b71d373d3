"""Reads the tables of a page from its HTML: rows with their attributes, and the exact values of each cell."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from html.parser import HTMLParser
from itertools import groupby
from operator import attrgetter


@dataclass
class Cell:
    """A cell: its `data-name`, the exact numbers and dates in it, and its text."""

    tag: str
    name: str
    is_hatched: bool
    values: list[str] = field(default_factory=list)
    text: str = ""


@dataclass
class TableRow:
    """A row: the `data-` attributes of itself and its table, and its cells from left to right."""

    section: str
    table: int  # its number on the page
    attributes: dict[str, str]
    cells: list[Cell] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The text of its header."""
        return "".join(cell.text for cell in self.cells if cell.tag == "th")

    @property
    def values(self) -> list[list[str]]:
        """The exact numbers of each cell but the header."""
        return [cell.values for cell in self.cells if cell.tag == "td"]

    @property
    def texts(self) -> list[str]:
        """The text of each cell but the header."""
        return [cell.text for cell in self.cells if cell.tag == "td"]

    @property
    def text(self) -> str:
        """All that it says."""
        return " ".join(cell.text for cell in self.cells)

    @property
    def hatched(self) -> set[str]:
        """The names of the cells of which nothing is known yet."""
        return {cell.name for cell in self.cells if cell.is_hatched}

    def has(self, name: str) -> bool:
        """Whether some cell has this name."""
        return any(cell.name == name for cell in self.cells)

    def each(self, name: str) -> list[list[Decimal]]:
        """The numbers of all cells with a name."""
        return [[Decimal(value) for value in cell.values] for cell in self.cells if cell.name == name]

    def number(self, name: str) -> Decimal | None:
        """The only number of a cell; None if the cell is empty."""
        [values] = self.each(name)
        assert len(values) <= 1, values
        return values[0] if values else None


class _Tables(HTMLParser):
    """The rows of all tables of a page, but those that are headers."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[TableRow] = []
        self._section = ""
        self._table: dict[str, str] = {}
        self._tables = 0
        self._row: TableRow | None = None
        self._cell: Cell | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        data = {name.removeprefix("data-"): value for name, value in given.items() if name.startswith("data-")}
        if tag == "section":
            self._section = given["aria-labelledby"]
        elif tag == "table":
            self._table, self._tables = data, self._tables + 1
        elif tag == "tr":
            self._row = TableRow(self._section, self._tables, {**self._table, **data})
        elif tag in ("td", "th") and self._row is not None:
            self._cell = Cell(tag, data.get("name", ""), "unknown" in given.get("class", "").split())
            self._row.cells.append(self._cell)
        elif tag in ("data", "time") and self._cell is not None:
            self._cell.values.append(given.get("value") or given.get("datetime", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "tr" and self._row is not None:
            if self._row.values:
                self.rows.append(self._row)
            self._row = None
        elif tag in ("td", "th"):
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.text += data


def rows_of(html: str, section: str, **attributes: str) -> Iterator[TableRow]:
    """The rows of a section's tables that have these attributes."""
    for row in _Tables(html).rows:
        if row.section == section and attributes.items() <= row.attributes.items():
            yield row


def tables_of(html: str, section: str) -> list[list[TableRow]]:
    """The rows of each table of a section."""
    rows = [row for row in _Tables(html).rows if row.section == section]
    return [list(table) for _, table in groupby(rows, key=attrgetter("table"))]
