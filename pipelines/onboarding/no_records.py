"""Rows of a file that are no records: totals, summary rows, and headers that were repeated.

Belongs here: recognising them, and the condition by which the pipeline skips them (`skip_rows`). Does not belong here:
lines above the header (`sniffing.py`).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice

from pipelines.onboarding.cells import read_column
from pipelines.onboarding.names import plain_letters
from pipelines.sql import quote_name, quote_text

Row = Sequence[str | None]

_TOTAL = re.compile(
    r"(grand |sub ?)?total(s|e|es)?\b|sum(me|a|s)?\b|gesamt(summe|betrag)?\b|razem\b|lacznie\b|ogolem\b|insgesamt\b"
)
_NOTHING = {"", "-", "--", "---", "n/a"}
_MOST = 0.2  # of the rows: where more look like totals, they are something else


@dataclass(frozen=True)
class Skipped:
    """Rows that are no records: their places among the rows, the condition that holds for them, and what they are."""

    places: frozenset[int]
    condition: str
    what: str


def no_records(header: Sequence[str], rows: Sequence[Row]) -> list[Skipped]:
    """The rows that are no records; few of all rows, and recognised by more than their name."""
    cells = [[(cell or "").strip() for cell in row] for row in rows]
    found = [*_repeated_headers(header, cells), *_named_totals(header, cells), *_unnamed_sums(header, cells)]
    places = frozenset().union(*(one.places for one in found))
    return found if len(places) < max(_MOST * len(rows), 2) or _are_sums(cells, places) else []


def _repeated_headers(header: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[Skipped]:
    names = [name.strip() for name in header]
    places = frozenset(place for place, row in enumerate(cells) if list(row) == names)
    if places:
        yield Skipped(places, f"{quote_name(header[0])} = {quote_text(header[0])}", "the header again")


def _named_totals(header: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[Skipped]:
    for column, name in enumerate(header):
        labels = {place: row[column] for place, row in enumerate(cells) if _TOTAL.match(plain_letters(row[column]))}
        if not labels or len(labels) > max(_MOST * len(cells), len(cells) - 2):
            continue
        others = [row for place, row in enumerate(cells) if place not in labels]
        filled = [place for place in range(len(header)) if place != column and _is_filled(place, others)]
        has_words = any(re.search(r"[^\W\d_]", row[column]) for row in others)
        if not others or (has_words and not all(_lacks(cells[place], filled) for place in labels)):
            continue
        words = sorted({found[0] for label in labels.values() if (found := re.match(r"[^\W\d_]+", label.lower()))})
        if has_words and any(row[column].lower().startswith(tuple(words)) for row in others):
            continue
        condition = " or ".join(f"lower(trim({quote_name(name)})) like {quote_text(word + '%')}" for word in words)
        yield Skipped(frozenset(labels), condition, f"totals, such as {next(iter(labels.values()))[:30]!r}")
        return


def _is_filled(column: int, rows: Sequence[Sequence[str]]) -> bool:
    return all(row[column] not in _NOTHING for row in rows)


def _lacks(row: Sequence[str], columns: Sequence[int]) -> bool:
    """True if the row has no value in one of the columns."""
    return any(row[column] in _NOTHING for column in columns)


def _unnamed_sums(header: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[Skipped]:
    """A row without any name whose amounts are the sums of the others, as ad platforms put it into their reports."""
    lacking: dict[int, list[int]] = {}  # by row: the columns that are empty only in it
    for column in range(len(header)):
        empty = list(islice((place for place, row in enumerate(cells) if row[column] in _NOTHING), 2))
        if len(empty) == 1:
            lacking.setdefault(empty[0], []).append(column)
    for place, columns in lacking.items():
        others = [row for number, row in enumerate(cells) if number != place]
        if any(_is_name(column, others) for column in columns) and _is_sum(cells[place], others):
            condition = " and ".join(f"coalesce(trim({quote_name(header[column])}), '') = ''" for column in columns)
            what = f"a row without {', '.join(header[column] for column in columns)} that holds the sum of the others"
            yield Skipped(frozenset({place}), condition, what)
            return


def _is_name(column: int, others: Sequence[Sequence[str]]) -> bool:
    """True if the others have a name or an id in the column; a record may well lack a date or an amount."""
    readings = read_column([other[column] for other in others]).readings
    return not readings or readings[0].type == "integer"


def _is_sum(row: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """True if most numbers of the row are the sums of their columns. The sum of one row is that row."""
    numeric, sums = 0, 0
    for column, cell in enumerate(row):
        readings = read_column([other[column] for other in others]).readings
        reading = next((one for one in readings if one.type in ("decimal", "integer")), None)
        total = reading.number(cell) if reading else None
        if reading is None or total is None:
            continue
        numbers = [number for other in others if (number := reading.number(other[column]))]
        numeric += 1
        sums += len(others) > 1 and total == sum(numbers, Decimal(0))
    return 2 * sums > numeric if len(others) > 2 else sums == numeric > 1


def _are_sums(cells: Sequence[Sequence[str]], places: frozenset[int]) -> bool:
    others = [row for place, row in enumerate(cells) if place not in places]
    return any(_is_sum(cells[place], others) for place in places)
