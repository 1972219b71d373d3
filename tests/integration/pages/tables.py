"""Reads the tables of a page from its HTML: rows with their attributes, and the exact numbers of each cell."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br", "img", "hr", "option"}


@dataclass
class TableRow:
    """A row, with the `data-` attributes of itself and its table, and its cells by their `data-name`."""

    section: str
    attributes: dict[str, str]
    numbers: dict[str, list[list[Decimal]]] = field(default_factory=dict)
    text: str = ""
    hatched: set[str] = field(default_factory=set)

    def number(self, name: str) -> Decimal | None:
        """The only number of a cell; None if the cell is empty."""
        [values] = self.numbers[name]
        assert len(values) <= 1, values
        return values[0] if values else None

    def each(self, name: str) -> list[list[Decimal]]:
        """The numbers of all cells with a name."""
        return self.numbers[name]


class Tables(HTMLParser):
    """The rows of all tables of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[TableRow] = []
        self._section = ""
        self._table: dict[str, str] = {}
        self._row: TableRow | None = None
        self._cell: list[Decimal] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        data = {name.removeprefix("data-"): value for name, value in given.items() if name.startswith("data-")}
        if tag == "section":
            self._section = given["aria-labelledby"]
        elif tag == "table":
            self._table = data
        elif tag == "tr":
            self._row = TableRow(self._section, {**self._table, **data})
            if data:
                self.rows.append(self._row)
        elif tag in ("td", "th") and self._row is not None:
            self._cell = []
            if name := data.get("name"):
                self._row.numbers.setdefault(name, []).append(self._cell)
                if "unknown" in given.get("class", "").split():
                    self._row.hatched.add(name)
        elif tag == "data" and self._row is not None:
            self._cell.append(Decimal(given["value"]))

    def handle_endtag(self, tag: str) -> None:
        if tag == "tr":
            self._row = None

    def handle_data(self, data: str) -> None:
        if self._row is not None:
            self._row.text += data


def rows_of(html: str, section: str, **attributes: str) -> Iterator[TableRow]:
    """The rows of a section's tables that have these attributes."""
    for row in Tables(html).rows:
        if row.section == section and attributes.items() <= row.attributes.items():
            yield row
