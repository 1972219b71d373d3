"""The weeks, months, quarters and years that a person asks for.

Belongs here: reading `2025-Q3` or `--last 8`, what periods are compared with, and naming both in words. Does not belong
here: what is said about them.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import groupby
from typing import Self

import duckdb

from pipelines.answers.questions import QuestionError
from pipelines.sql import quote_text


class Grain(StrEnum):
    """How long a period is."""

    week = "week"
    month = "month"
    quarter = "quarter"
    year = "year"


class Comparison(StrEnum):
    """Which earlier period a period is compared with."""

    prior = "prior"
    last_year = "last-year"

    def of(self, grain: Grain) -> str:
        """The earlier period in words."""
        return f"{grain} before" if self is Comparison.prior else f"{grain} a year before"


_SHAPES = {
    Grain.week: r"\d{4} W\d{2}",
    Grain.month: r"\d{4} \d{2}",
    Grain.quarter: r"(FY)?\d{4} Q\d",
    Grain.year: r"(FY)?\d{4}",
}


@dataclass(frozen=True)
class Choice:
    """The periods that a person asks for; by default, all months."""

    grain: Grain | None = None
    period: str | None = None  # a label, like 2025-Q3
    since: str | None = None  # a label or a date
    last: int | None = None


@dataclass(frozen=True)
class Period:
    """A row of `dim_period`."""

    start: date
    end: date  # the day after its last day
    label: str
    is_complete: bool
    days: int
    days_elapsed: int


@dataclass(frozen=True)
class Periods:
    """All periods of a grain, in order, and those that are shown."""

    grain: Grain
    periods: tuple[Period, ...]
    shown: frozenset[date]

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection, grain: Grain) -> Self:
        """All periods of a grain."""
        rows = connection.execute(
            "select period_start, period_end, period_label, is_complete, days, days_elapsed from marts.dim_period "
            f"where grain = {quote_text(grain)} order by period_start"
        ).fetchall()
        periods = tuple(Period(*row) for row in rows)
        return cls(grain, periods, frozenset(period.start for period in periods))

    @property
    def condition(self) -> str:
        """The SQL condition for the periods that are shown."""
        starts = ", ".join(quote_text(str(start)) for start in sorted(self.shown))
        return f"grain = {quote_text(self.grain)} and cast(period_start as varchar) in ({starts})"

    @property
    def in_progress(self) -> Period | None:
        """The last period, if it is not over."""
        return next((period for period in self.periods if not period.is_complete), None)

    def before(self, period: Period) -> Period | None:
        """The period before one."""
        return next((one for one in self.periods if one.end == period.start), None)

    def in_words(self, starts: Iterable[date]) -> str:
        """`2024-01 to 2024-06, 2024-08`."""
        wanted = set(starts)
        spans = [list(group) for is_in, group in groupby(self.periods, lambda one: one.start in wanted) if is_in]
        return ", ".join(f"{span[0].label} to {span[-1].label}" if len(span) > 1 else span[0].label for span in spans)


def period_of(label: str, periods: Periods) -> Period:
    """The period with a label like `2025-12`.

    Raises:
        QuestionError: there is none; the message says which there are.
    """
    start = _start_of(label, periods)
    found = next((period for period in periods.periods if period.start == start), None)
    if found is None:
        known = periods.in_words(period.start for period in periods.periods)
        raise QuestionError(f"There is no {periods.grain} {label!r}. There are {known}.")
    return found


def choose_periods(
    connection: duckdb.DuckDBPyConnection, choice: Choice, cell: dict[str, str], what: str, as_of: date
) -> Periods:
    """The periods that are shown of what is published for `cell` (columns of the scorecard), called `what` in messages.

    Raises:
        QuestionError: there is no such period or grain, or nothing is published for it.
    """
    grain = _grain(choice)
    every = Periods.of(connection, grain)
    where = " and ".join(f"{column} = {quote_text(value)}" for column, value in {**cell, "grain": grain}.items())
    published = {
        start
        for (start,) in connection.execute(
            f"select distinct period_start from marts.kpi_scorecard where {where}"
        ).fetchall()
    }
    if not published:
        raise QuestionError(f"{what} is not published by {grain}. {_other_grains(connection, cell)}")
    of_cell = Periods(grain, every.periods, frozenset(published))
    shown = sorted(published)
    if choice.period:
        shown = [start for start in shown if start == _start_of(choice.period, every)]
    if choice.since:
        since = _start_of(choice.since, every) or _a_date(choice.since, connection)
        shown = [start for start in shown if start >= since]
    if not shown:
        option = f"--period {choice.period}" if choice.period else f"--since {choice.since}"
        raise QuestionError(
            f"{option} is not published for {what}. Published: {of_cell.in_words(published)}, as of {as_of}."
        )
    return Periods(grain, every.periods, frozenset(shown[-choice.last :] if choice.last else shown))


def _grain(choice: Choice) -> Grain:
    """The grain that is asked for, or else that of the period that is asked for, or else the month."""
    of_period = _shape_of(choice.period) if choice.period else None
    if choice.period and of_period is None:
        raise QuestionError(
            f"--period {choice.period!r} is not a period. Write a week like 2025-W14, a month like 2025-06, "
            "a quarter like 2025-Q3 or a year like 2025; of a fiscal year FY2026-Q1 or FY2026."
        )
    if choice.grain and of_period and choice.grain != of_period:
        raise QuestionError(f"--period {choice.period} is a {of_period}, not a {choice.grain}. Omit --grain.")
    return choice.grain or of_period or Grain.month


def _normalised(label: str) -> str:
    return label.strip().upper().replace("-", " ")


def _shape_of(label: str) -> Grain | None:
    return next((grain for grain, shape in _SHAPES.items() if re.fullmatch(shape, _normalised(label))), None)


def _start_of(label: str, periods: Periods) -> date | None:
    return next((one.start for one in periods.periods if _normalised(one.label) == _normalised(label)), None)


def _a_date(text: str, connection: duckdb.DuckDBPyConnection) -> date:
    """The first day of a period of any grain, or a date."""
    if (grain := _shape_of(text)) and (start := _start_of(text, Periods.of(connection, grain))):
        return start
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise QuestionError(
            f"--since {text!r} is neither a published period, like 2025-06 or 2025-Q3, nor a date like 2025-06-15."
        ) from None


def _other_grains(connection: duckdb.DuckDBPyConnection, cell: dict[str, str]) -> str:
    where = " and ".join(f"{column} = {quote_text(value)}" for column, value in cell.items())
    grains: Sequence[tuple[str]] = connection.execute(
        f"select distinct grain from marts.kpi_scorecard where {where} order by grain"
    ).fetchall()
    return f"Published by {', '.join(grain for (grain,) in grains)}."
