"""The rows behind a number that a section counts from facts: what the scorecard's numbers have in `explain`.

Belongs here: finding them as the section describes them (`sections/numbers.py`). Does not belong here: which rows those
are, and how files are written (`downloads.py`).

An address names a number and the values of its keys: `rows?number=amount/stage=proposal/band=2`. The page's
filters apply.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from starlette.exceptions import HTTPException

from pipelines.answers.parts import BOUNDS_OF_PERIODS, parameters_in
from pipelines.answers.questions import QuestionError
from pipelines.pages.sections import Missing, Section
from pipelines.pages.sections.activity import compared_window
from pipelines.pages.sections.facts import filter_of, last_day, may_see
from pipelines.pages.sections.numbers import Number
from pipelines.pages.view import CUTS, View
from pipelines.sql import Value, with_values

_SHOWN = 100  # rows on the page; files have all


@dataclass(frozen=True)
class Row:
    """A delivered row, and what it adds."""

    key: str
    day: date | None
    adds: Decimal | float | None
    source_file: str | None
    row_number: int | None


@dataclass(frozen=True)
class Behind:
    """The rows behind a number: how many, what they make, and the first ones; of a quotient also by what."""

    section: Section
    number: Number
    keys: tuple[tuple[str, str], ...]  # what the number is by, and of what, in the reader's words
    rows: int
    total: Any
    whole: Any
    first_rows: tuple[Row, ...]

    @property
    def value(self) -> Any:
        """The number itself; None for a share of nothing."""
        if self.number.whole is None and self.number.divided_by is None:
            return self.total
        return float(self.total) / float(self.whole) if self.whole else None


def behind(view: View, section: Section) -> Behind:
    """The rows behind the number of a section that the URL names.

    Raises:
        QuestionError: the section has no such number, or cannot be filtered as the URL asks.
        HTTPException: the number is not for this reader.
    """
    number, keys = number_of(view, section)
    query = rows_query(view, number, keys)
    rows, total = _made(view, number, query)
    whole = None
    if number.whole:
        whole = _made(view, number.whole, rows_query(view, number.whole, keys))[1]
    elif number.divided_by:
        whole = number.divided_by[1](view)
    first_rows = view.execute(f"{query} limit {_SHOWN}").fetchall()
    said = tuple(
        (view.words.text(number.keys[name].title), _said(view, number, name, value)) for name, value in keys.items()
    )
    return Behind(section, number, said, rows, total, whole, tuple(Row(*row) for row in first_rows))


def number_of(view: View, section: Section) -> tuple[Number, Mapping[str, str]]:
    """The number of a section that the URL names, and the values of its keys.

    Raises:
        QuestionError: the section has no such number.
        HTTPException: the number is not for this reader.
    """
    if isinstance(shown := section.for_reader(view), Missing):
        raise HTTPException(403, shown.reason)
    name, *parts = view.state.number.split("/")
    number = section.numbers.get(name)
    keys = {key: unquote(value) for key, _, value in (part.partition("=") for part in parts)}
    required = {key for key, of in number.keys.items() if of.is_required} if number else set()
    if number is None or not required <= keys.keys() <= number.keys.keys():
        raise QuestionError(view.words.text("This part of the page has no such number: click on one of it."))
    for key, value in keys.items():
        if key in CUTS and not may_see(view, key, value):
            raise HTTPException(403, f"You may not see {key}={value}.")
    return number, keys


def rows_query(view: View, number: Number, keys: Mapping[str, str]) -> str:
    """The query for all rows of a number: key, day, what it adds, delivered file and row number, in order of days.

    Raises:
        QuestionError: the number cannot be filtered as the URL asks.
    """
    fact = number.fact
    conditions, values = [fact.where, number.where], dict[str, Value](keys)
    if fact.cuts is not None:
        wanted = filter_of(view, fact.cuts)
        if isinstance(wanted, Missing):
            raise QuestionError(wanted.reason)
        conditions.append(wanted.condition)
        values.update(wanted.parameters)
    for name in keys:
        if name in number.keys and (sql := number.keys[name].sql):
            conditions.append(f"coalesce(cast({sql} as varchar), '') = ${name}")
    nowhere = ("cast(null as varchar)", "cast(null as bigint)")
    file, row = (f"{fact.file}._source_file", f"{fact.file}._row_number") if fact.file else nowhere
    query = (
        f"select cast({fact.key} as varchar) as key, {fact.day} as day, {number.adds} as adds, "
        f"{file} as source_file, {row} as row_number "
        f"from {fact.relation} where {' and '.join(f'({condition})' for condition in conditions)} order by day, key"
    )
    needed = parameters_in(query) - values.keys()
    return with_values(query, {**values, **{name: _VALUES[name](view) for name in needed}})


def _made(view: View, number: Number, query: str) -> tuple[int, Any]:
    """How many rows there are, and what they make together."""
    statistic = "median(adds)" if number.is_median else "coalesce(sum(adds), 0)"
    found = view.connection.execute(f"select count(*), {statistic} from ({query})").fetchone()
    assert found is not None
    return found[0], found[1]


def _said(view: View, number: Number, name: str, value: str) -> str:
    """The value of a key in the reader's words."""
    key = number.keys[name]
    said = key.names(view).get(value, value) or view.words.text("unknown")
    return view.words.text(said) if key.is_message else said


def _active_days(view: View) -> int:
    """For how many days after an order a customer is active."""
    [(value,)] = view.fetch("select value from meta.settings where name = 'active_days'")
    return int(value)


def _bound(name: str) -> Callable[[View], date]:
    """A day of the period that the chosen one is compared with."""

    def read(view: View) -> date:
        [(day,)] = view.fetch(
            f"select {name} from ({BOUNDS_OF_PERIODS}) where grain = $grain and period_start = $start",
            grain=view.state.grain,
            start=view.period.start,
        )
        found: date = day
        return found

    return read


def _earlier(position: int) -> Callable[[View], date]:
    """The first or last day of the period that activity is compared with."""
    return lambda view: (compared_window(view) or (date.max, date.min))[position]


# What the SQL of numbers leaves open, but for keys and the page's filter.
_VALUES: Mapping[str, Callable[[View], Value]] = {
    "start": lambda view: view.period.start,
    "until": lambda view: last_day(view, view.period) + timedelta(days=1),
    "as_of": lambda view: view.publication.as_of_date,
    "active_days": _active_days,
    "prior_start": _bound("prior_start"),
    "prior_until": _bound("prior_until"),
    "earlier_first": _earlier(0),
    "earlier_last": _earlier(1),
}
