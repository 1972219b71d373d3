"""Reads the tables of a section, row by row, as a reader finds them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class TableRow:
    """A row of a table: the text of its header, and the exact values and the text of each cell."""

    name: str = ""
    values: list[list[str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


class _Tables(HTMLParser):
    def __init__(self, section: str) -> None:
        super().__init__()
        self.tables: list[list[TableRow]] = []
        self._section = section
        self._is_inside = False
        self._open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "section":
            self._is_inside = given.get("aria-labelledby") == self._section
        if not self._is_inside:
            return
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append(TableRow())
        elif tag in ("td", "th"):
            self._open = tag if tag == "td" or (given.get("scope") or "").startswith("row") else ""
            if tag == "td":
                self.tables[-1][-1].values.append([])
                self.tables[-1][-1].texts.append("")
        elif tag == "data" and self._open == "td":
            self.tables[-1][-1].values[-1].append(str(given["value"]))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._open = ""

    def handle_data(self, data: str) -> None:
        if self._is_inside and self._open == "td":
            self.tables[-1][-1].texts[-1] += data
        elif self._is_inside and self._open == "th":
            self.tables[-1][-1].name += data


def tables_of(html: str, section: str) -> list[list[TableRow]]:
    """The rows with values of each table of a section."""
    reader = _Tables(section)
    reader.feed(html)
    return [[row for row in table if row.values] for table in reader.tables]
