"""What all KPIs of the truth are computed with: rows, the calendar, business dates, euros, teams, shares.

Belongs here: tools that at least two KPIs use and that contain nothing specific to any of them.
Does not belong here: a KPI.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

FIRST_MONTH = pd.Timestamp("2024-01-01")
AS_OF = pd.Timestamp("2026-01-09")
"""The last day of the history. What days after it change of the truth is told by `as_of`."""
MONTHS = list(pd.date_range(FIRST_MONTH, AS_OF, freq="MS"))
COMPLETE_MONTHS = [month for month in MONTHS if month + pd.offsets.MonthBegin() <= AS_OF + pd.Timedelta(days=1)]
"""All but the month in progress."""

UNASSIGNED = "unassigned"

Number = int | float | Decimal | None


class TruthRow(NamedTuple):
    """One published number. Money is a Decimal in EUR, a count is an int, a ratio is a float, and NULL is None."""

    grain: str  # week, month, quarter or year; `month_to_date` is a month cut to the days the one in progress has had
    period_start: str
    kpi_id: str
    variant: str
    entity_type: str
    entity_id: str
    numerator: Number
    denominator: Number
    value: Number


class Entity(NamedTuple):
    """What a number is about: a cut, such as `segment`, and one of its members, such as `smb`."""

    cut: str
    name: str


COMPANY = Entity("company", "company")

PERIOD = ["grain", "start"]
"""The columns that name a period."""


class Period(NamedTuple):
    """A span of days that numbers are added up over: [start, until) counts, of all of [start, end)."""

    grain: str
    start: pd.Timestamp
    end: pd.Timestamp
    until: pd.Timestamp

    @property
    def is_over(self) -> bool:
        """Whether nothing is missing of it."""
        return self.until == self.end


# --------------------------------------------------------------------------------------------------------- calendar


_FREQUENCIES = {"week": "W-SUN", "month": "M", "quarter": "Q-DEC", "year": "Y-DEC"}
_A_YEAR_BEFORE = {"week": 52, "month": 12, "quarter": 4, "year": 1}


@cache
def periods(as_of: pd.Timestamp = AS_OF) -> tuple[Period, ...]:
    """Every week, month, quarter and year of the history, and the parts that those in progress are compared with.

    The grain of such a part ends in `_to_date`. It has as many days as the period in progress has had, at most all its
    own.
    """
    tomorrow = as_of + pd.Timedelta(days=1)
    found = []
    for grain, frequency in _FREQUENCIES.items():
        span = pd.period_range(FIRST_MONTH, as_of, freq=frequency)
        whole = [Period(grain, one.start_time, (one + 1).start_time, (one + 1).start_time) for one in span]
        *_, last = whole
        if last.end > tomorrow:
            whole[-1] = last._replace(until=tomorrow)
            earlier = {span[-1] - 1, span[-1] - _A_YEAR_BEFORE[grain]}.intersection(span)
            for one in sorted(earlier):
                until = min((one + 1).start_time, one.start_time + (tomorrow - last.start))
                found.append(Period(f"{grain}_to_date", one.start_time, until, until))
        found += whole
    return tuple(found)


def in_periods(rows: pd.DataFrame, day: str, as_of: pd.Timestamp = AS_OF) -> pd.DataFrame:
    """Each row once for every period that counts its day, with the columns of PERIOD; without a day, not at all."""
    calendar = _calendar(as_of).rename(columns={"day": day})
    calendar[day] = calendar[day].astype(rows[day].dtype)
    return rows.drop(columns=PERIOD, errors="ignore").merge(calendar, on=day)


@cache
def _calendar(as_of: pd.Timestamp) -> pd.DataFrame:
    """Each day of each period: day, grain and start."""
    return pd.DataFrame(
        [
            (date, period.grain, period.start)
            for period in periods(as_of)
            for date in pd.date_range(period.start, period.until, inclusive="left")
        ],
        columns=["day", *PERIOD],
    )


def named(grain: str, start: Any) -> tuple[str, str]:
    """A period as the truth writes it: its grain and first day."""
    return grain, label(start)


@cache
def label(month: Any) -> str:
    """`2024-01-01` for January 2024."""
    return str(pd.Timestamp(month).strftime("%Y-%m-%d"))


def next_month(month: pd.Timestamp) -> pd.Timestamp:
    """The first day of the following month."""
    return month + pd.offsets.MonthBegin()


def business_date(moments: pd.Series[Any]) -> pd.Series[Any]:
    """The Warsaw date of each UTC moment, as midnight without a time zone."""
    days: pd.Series[Any] = moments.dt.tz_convert("Europe/Warsaw").dt.tz_localize(None).dt.normalize()
    return days


def month_of(days: pd.Series[Any]) -> pd.Series[Any]:
    """The first day of the month of each day."""
    return pd.Series(days.to_numpy().astype("datetime64[M]").astype("datetime64[s]"), index=days.index)


# ------------------------------------------------------------------------------------------------ money and teams


def to_eur(cents: pd.Series[Any], currency: pd.Series[Any], days: pd.Series[Any], fx: pd.DataFrame) -> pd.Series[Any]:
    """Cents of any currency as EUR cents, at the latest rate up to the day. Exact, rounded half away from zero."""
    micros = np.full(len(cents), 1_000_000, dtype=np.int64)
    stamps = days.to_numpy().astype("datetime64[s]")
    for code, quoted in fx.sort_values("rate_date").groupby("from_currency"):
        rows = (currency == code).to_numpy(dtype=bool)
        latest = np.searchsorted(quoted["rate_date"].to_numpy().astype("datetime64[s]"), stamps[rows], "right") - 1
        micros[rows] = quoted["rate"].to_numpy()[latest]
    return rounded_quotient(cents * micros, 1_000_000)


def rounded_quotient(numerator: pd.Series[Any], denominator: Any) -> pd.Series[Any]:
    """Whole numbers divided by positive whole numbers. Exact, rounded half away from zero."""
    magnitude = (2 * numerator.abs() + denominator) // (2 * denominator)
    rounded: pd.Series[Any] = np.sign(numerator) * magnitude
    return rounded


def euros(cents: int) -> Decimal:
    """Integer cents as a Decimal with two places."""
    return Decimal(int(cents)).scaleb(-2)


STAFF_CUTS = ["team", "office"]


def staff_on(reps: pd.Series[Any], days: pd.Series[Any], rep_teams: pd.DataFrame) -> pd.DataFrame:
    """The STAFF_CUTS of each rep on a day; `unassigned` without a rep or an office.

    Before the first entry, the first team and office apply.
    """
    placed = pd.DataFrame(UNASSIGNED, index=reps.index, columns=STAFF_CUTS, dtype=object)
    for rep, history in rep_teams.sort_values("valid_from").groupby("rep_id"):
        mine = reps == rep
        since = np.searchsorted(history["valid_from"].to_numpy(), days[mine].to_numpy(), side="right") - 1
        known = history[STAFF_CUTS].astype(object).fillna(UNASSIGNED).to_numpy(dtype=object)
        placed.loc[mine, STAFF_CUTS] = known[np.maximum(since, 0)]
    return placed


# ------------------------------------------------------------------------------------------------------------ rates


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """The quotient, or None if the numerator is missing or the denominator is missing or zero."""
    if numerator is None or not denominator:
        return None
    return float(numerator / denominator)


def shares(
    kpi: str,
    variant: str,
    cut: str,
    part: pd.Series[Any],
    whole: pd.Series[Any],
    shown: Callable[[int], Number] = int,
    per: int = 1,
) -> list[TruthRow]:
    """One row per (grain, start, entity) that occurs in either: `part` divided by `whole`, multiplied by `per`.

    part, whole: whole numbers by (grain, start, entity); shown: how to write them, such as `euros` for cents.
    """
    both = pd.concat([part.rename("part"), whole.rename("whole")], axis=1).fillna(0).astype("int64").sort_index()
    return [
        TruthRow(*named(grain, start), kpi, variant, cut, str(entity), shown(p), shown(w), ratio(per * p, w))
        for (grain, start, entity), p, w in zip(both.index, both["part"].tolist(), both["whole"].tolist(), strict=True)
    ]


def every_period(counts: pd.Series[Any], cut: str, as_of: pd.Timestamp = AS_OF) -> pd.Series[Any]:
    """For the company, a number for every period since its first, 0 if nothing was counted; other cuts are left."""
    if cut != COMPANY.cut or counts.empty:
        return counts
    first: dict[str, pd.Timestamp] = {}
    for grain, start, _ in counts.index:
        first[grain] = min(first.get(grain, start), start)
    every = [
        (period.grain, period.start, COMPANY.name)
        for period in periods(as_of)
        if period.start >= first.get(period.grain.removesuffix("_to_date"), FIRST_MONTH)
    ]
    return counts.reindex(pd.MultiIndex.from_tuples(every, names=counts.index.names), fill_value=0)


def quantiles(kpi: str, variant: str, cut: str, rows: pd.DataFrame, measure: str, quantile: float) -> list[TruthRow]:
    """One row per (grain, start, entity) of `rows`: a quantile of those that have a measure, and their number.

    Between two neighbours, the quantile is interpolated linearly. It is NULL if no row has a measure.
    """
    grouped = rows.groupby([*PERIOD, cut])[measure]
    both = pd.DataFrame({"counted": grouped.count(), "value": grouped.quantile(quantile)})
    return [
        TruthRow(*named(grain, start), kpi, variant, cut, str(entity), None, counted, value if counted else None)
        for (grain, start, entity), counted, value in zip(
            both.index, both["counted"].tolist(), both["value"].tolist(), strict=True
        )
    ]
