"""What all KPIs of the truth are computed with: rows, the calendar, business dates, euros, teams, shares.

Belongs here: tools that at least two KPIs use and that contain nothing specific to any of them.
Does not belong here: a KPI.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

FIRST_MONTH = pd.Timestamp("2024-01-01")
AS_OF = pd.Timestamp("2026-01-09")
"""The last day of the history. What days after it change of the truth is told by `as_of`; months are the same ones."""
MONTHS = list(pd.date_range(FIRST_MONTH, AS_OF, freq="MS"))
COMPLETE_MONTHS = [month for month in MONTHS if month + pd.offsets.MonthBegin() <= AS_OF + pd.Timedelta(days=1)]
"""All but the month in progress."""

UNASSIGNED = "unassigned"

Number = int | float | Decimal | None


class TruthRow(NamedTuple):
    """One published number. Money is a Decimal in EUR, a count is an int, a ratio is a float, and NULL is None."""

    period_month: str
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


# --------------------------------------------------------------------------------------------------------- calendar


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


def team_on(reps: pd.Series[Any], days: pd.Series[Any], rep_teams: pd.DataFrame) -> pd.Series[Any]:
    """The team of each rep on a day; `unassigned` without a rep. Before the first entry, the first team applies."""
    teams = pd.Series(UNASSIGNED, index=reps.index, dtype=object)
    for rep, history in rep_teams.sort_values("valid_from").groupby("rep_id"):
        mine = reps == rep
        since = np.searchsorted(history["valid_from"].to_numpy(), days[mine].to_numpy(), side="right") - 1
        teams[mine] = history["team"].to_numpy(dtype=object)[np.maximum(since, 0)]
    return teams


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
    """One row per (month, entity) that occurs in either: `part` divided by `whole`, multiplied by `per`.

    part, whole: whole numbers by (month, entity); shown: how to write them, such as `euros` for cents.
    """
    both = pd.concat([part.rename("part"), whole.rename("whole")], axis=1).fillna(0).astype("int64").sort_index()
    return [
        TruthRow(label(month), kpi, variant, cut, str(entity), shown(p), shown(w), ratio(per * p, w))
        for (month, entity), p, w in zip(both.index, both["part"].tolist(), both["whole"].tolist(), strict=True)
    ]


def every_month(counts: pd.Series[Any], cut: str) -> pd.Series[Any]:
    """For the company, a number for every month, 0 if nothing was counted; for other cuts, the numbers unchanged."""
    if cut != COMPANY.cut:
        return counts
    return counts.reindex(pd.MultiIndex.from_product([MONTHS, [COMPANY.name]], names=counts.index.names), fill_value=0)


def quantiles(kpi: str, variant: str, cut: str, rows: pd.DataFrame, measure: str, quantile: float) -> list[TruthRow]:
    """One row per (month, entity) of `rows`: a quantile of the rows that have a measure, and the number of these rows.

    Between two neighbours, the quantile is interpolated linearly. It is NULL if no row has a measure.
    """
    grouped = rows.groupby(["month", cut])[measure]
    both = pd.DataFrame({"counted": grouped.count(), "value": grouped.quantile(quantile)})
    return [
        TruthRow(label(month), kpi, variant, cut, str(entity), None, counted, value if counted else None)
        for (month, entity), counted, value in zip(
            both.index, both["counted"].tolist(), both["value"].tolist(), strict=True
        )
    ]
