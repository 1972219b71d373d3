"""Every number in tables and tiles leads to how it was made, or belongs to a few kinds that lead nowhere."""

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from itertools import chain

import pytest
from starlette.testclient import TestClient

from pipelines.pages.roles import PAGES
from pipelines.pages.view import CUTS
from tests.integration.pages.reading import VOID

ADDRESSES = [
    *PAGES,
    "leaders?period=2026-01",
    "leaders?team=delta",
    "managers?grain=quarter",
    "aes?rep=R11",
    "kpi?kpi=revenue",
    "kpi?kpi=win_rate&team=delta",
    "kpi?kpi=nps",
    "why?kpi=revenue",
    "why?kpi=win_rate&team=delta",
]


@dataclass
class Shown:
    """A number in a table or a tile: what programs read, what people read, and where it stands."""

    value: str
    text: str
    is_link: bool
    given: Mapping[str, str | None]  # the attributes of its element
    inside: tuple[str, ...]  # the classes and labels of what is around it

    @property
    def is_zero(self) -> bool:
        return bool(re.fullmatch(r"-?[\d.]+(E[-+]?\d+)?", self.value)) and not Decimal(self.value)

    @property
    def is_date(self) -> bool:
        return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", self.value)) and bool(date.fromisoformat(self.value))


@dataclass
class _Numbers(HTMLParser):
    """Collects the numbers of a page's tables and tiles: `data` elements, and digits in cells of numbers."""

    found: list[Shown] = field(default_factory=list)
    _open: list[tuple[str, Mapping[str, str | None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self._open.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        tags = [tag for tag, _ in self._open]
        classes = [str(given.get("class") or "").split() for _, given in self._open]
        labels = [str(of[name]) for _, of in self._open for name in ("id", "aria-labelledby") if of.get(name)]
        if "svg" in tags or "caption" in tags or "thead" in tags:
            return
        in_cell = "td" in tags and "n" in classes[tags.index("td")]
        in_tile = any("tile" in of for of in classes)
        if "data" in tags and ("table" in tags or in_tile):
            given = self._open[tags.index("data")][1]
        elif in_cell and re.search(r"\d", data) and not re.search(r"[^\W\d]{3}", data):  # three letters make a word
            given = {"value": data}
        else:
            return
        self.found.append(
            Shown(str(given["value"]), data.strip(), "a" in tags, given, (*chain.from_iterable(classes), *labels))
        )


# Numbers that lead nowhere by themselves, and why.
EXCEPTIONS: Mapping[str, Callable[[Shown], bool]] = {
    "nothing was counted, so there are no rows": lambda one: one.is_zero,
    "a date is no number": lambda one: one.is_date,
    "the ends of an interval are of the number beside it, whose page has both": (
        lambda one: (
            one.given.get("data-column") in ("ci_low", "ci_high") or one.given.get("data-part") in ("from", "to")
        )
    ),
    "what splits a change is explained by the page that it is on": lambda one: bool(
        {"factors", "parts"} & {*one.inside}
    ),
    "what a delivery's problems are may quote its rows, which pages never do": lambda one: "problems" in one.inside,
}


def numbers_of(page: str) -> list[Shown]:
    reader = _Numbers()
    reader.feed(page)
    return reader.found


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_number_in_tables_and_tiles_is_a_link(pages: TestClient, address: str) -> None:
    numbers = numbers_of(pages.get(f"/en/{address}").text)
    assert len(numbers) > 10
    assert [one for one in numbers if not one.is_link and not any(may(one) for may in EXCEPTIONS.values())] == []


def test_numbers_without_a_link_are_found() -> None:
    cells = (
        '<td class="n"><a href="x"><data value="1">1</data></a></td>'
        '<td class="n"><data value="2">2</data></td><td class="n">3</td><td>4</td>'
    )
    found = numbers_of(f"<table><tbody><tr>{cells}</tr></tbody></table>")
    assert [(one.text, one.is_link) for one in found] == [("1", True), ("2", False), ("3", False)]


@pytest.mark.parametrize(
    "address",
    [
        "leaders",
        *(
            pytest.param(address, marks=pytest.mark.nightly)
            for address in (*list(PAGES)[1:], "leaders?period=2026-01", "kpi?kpi=nps&grain=quarter", "why?kpi=revenue")
        ),
    ],
)
def test_every_kind_of_link_opens(pages: TestClient, address: str) -> None:
    """Links that differ in the chosen period or entity, or in what a number is by, are of one kind."""
    links = {html.unescape(link) for link in re.findall(r'href="(/[^"#]+)', pages.get(f"/pl/{address}").text)}
    chosen = re.compile(rf"(?:period|{'|'.join(CUTS)})=[^&]*|=[^&/]*(?=/|$)")
    for link in {chosen.sub("", link): link for link in sorted(links)}.values():
        assert pages.get(link).status_code == 200, link
