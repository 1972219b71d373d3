"""Reads the numbers of a page from its HTML, as a program or a reader finds them."""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br", "img", "hr", "option"}


@dataclass
class Number:
    """A `<data>` element: its exact value, what a reader sees, and which cell and column of the scorecard it names."""

    value: str
    cell: str
    column: str
    text: str = ""


@dataclass
class Link:
    """A link, and the numbers in it."""

    address: str
    numbers: list[Number] = field(default_factory=list)


@dataclass
class PageOfNumbers(HTMLParser):
    """The numbers, links and headings of a page."""

    numbers: list[Number] = field(default_factory=list)
    all_links: list[Link] = field(default_factory=list)
    _open: list[tuple[str, str]] = field(default_factory=list)
    _inside: Number | None = None

    def __post_init__(self) -> None:
        super().__init__()

    @property
    def links(self) -> list[str]:
        """The addresses of all links."""
        return [link.address for link in self.all_links]

    @property
    def links_of_numbers(self) -> list[Link]:
        """The links that numbers are."""
        return [link for link in self.all_links if link.numbers]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a" and given.get("href"):
            self.all_links.append(Link(str(given["href"])))
        if tag == "data":
            cell = next((cell for _, cell in reversed(self._open) if cell), "")
            self._inside = Number(str(given["value"]), cell, given.get("data-column") or "")
            self.numbers.append(self._inside)
            if "a" in [tag for tag, _ in self._open]:
                self.all_links[-1].numbers.append(self._inside)
        if tag not in VOID:
            self._open.append((tag, given.get("data-cell") or ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "data":
            self._inside = None
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._inside:
            self._inside.text += data


def read(html: str) -> PageOfNumbers:
    """The numbers and links of a page."""
    page = PageOfNumbers()
    page.feed(html)
    return page


def number_in(text: str, language: str) -> tuple[Decimal, int]:
    """What a reader understands, and to how many decimals: `−1 234,5 %` is -1234.5 to one decimal."""
    digits = re.sub(r"[^\d.,\-\N{MINUS SIGN}]", "", text).replace("\N{MINUS SIGN}", "-")
    digits = digits.replace(",", "") if language == "en" else digits.replace(".", "").replace(",", ".")
    digits = digits.rstrip(".")  # of an abbreviated unit
    return Decimal(digits), len(digits.partition(".")[2])
