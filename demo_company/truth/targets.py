"""Targets: what was set per month for reps and the company, what follows for teams and periods, and what was attained.

Belongs here: quotas in EUR and as shares, spreading money over days, and comparing a KPI with its target.
Does not belong here: computing the KPI.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import pandas as pd

from demo_company.tables import Frames
from demo_company.truth.basics import (
    AS_OF,
    COMPANY,
    FIRST_MONTH,
    MONTHS,
    PERIOD,
    STAFF_CUTS,
    TruthRow,
    euros,
    named,
    next_month,
    periods,
    ratio,
    rounded_quotient,
    staff_on,
    to_eur,
)

_MEASURED_BY = {
    ("revenue", "net"),
    ("cac", "blended"),
    ("lead_conversion", "cohort_90d"),
    ("nps", "trailing_90d"),
    ("retention", "logo"),
    ("win_rate", "closed_count"),
}
_GOOD_WHEN_LOW = {"cac"}
_FEWEST_CASES = 20


class TargetRow(NamedTuple):
    """A period's target and the part of it for the days up to the as-of date: EUR, or a share such as 0.30.

    attainment: 1 if that part was met exactly, more if it was exceeded; None if the KPI has no value, or a value from
    fewer than 20 cases.
    """

    grain: str
    period_start: str
    kpi_id: str
    entity_type: str
    entity_id: str
    target: Decimal
    target_to_date: Decimal
    attainment: float | None = None


def targets(
    frames: Frames, reached: Iterable[TruthRow] = (), as_of: pd.Timestamp = AS_OF, movements: pd.DataFrame | None = None
) -> list[TargetRow]:
    """Targets of reps and the company; for teams, the revenue targets of their reps.

    Only revenue is spread over days, and so only revenue has targets of weeks, quarters and years: of those whose every
    month has one.

    reached: the rows of the truth, from which the attainment is computed; movements: the sales that targets are spread
    like, or None if there are none.
    """
    reached_by = {
        (row.grain, row.period_start, row.kpi_id, row.entity_type, row.entity_id): row
        for row in reached
        if (row.kpi_id, row.variant) in _MEASURED_BY
    }
    rows = [*_fixed(frames), *_added_up(frames, as_of, movements)]
    return [row._replace(attainment=_attainment(row, reached_by.get(row[:5]))) for row in sorted(rows)]


def _attainment(target: TargetRow, reached: TruthRow | None) -> float | None:
    """How much of the target was reached by the as-of date. A cost reaches its target from above."""
    if reached is None or reached.value is None:
        return None
    if reached.denominator is not None and reached.denominator < _FEWEST_CASES:
        return None
    value, due = float(reached.value), float(target.target_to_date)
    return ratio(due, value) if target.kpi_id in _GOOD_WHEN_LOW else ratio(value, due)


def _fixed(frames: Frames) -> list[TargetRow]:
    """The targets that are the same on each day of their month."""
    quotas = frames["crm.quotas"]
    quotas = quotas[quotas["period_month"].isin(MONTHS) & (quotas["kpi_id"] != "revenue")]
    rows = []
    for month, kpi, rep, hundredths in quotas[["period_month", "kpi_id", "rep_id", "target_value"]].itertuples(
        index=False
    ):
        target = Decimal(hundredths).scaleb(-2)  # a share, NPS points, or EUR
        cut = COMPANY.cut if rep == COMPANY.name else "rep"
        rows.append(TargetRow(*named("month", month), kpi, cut, rep, target, target))
    return rows


def _added_up(frames: Frames, as_of: pd.Timestamp, movements: pd.DataFrame | None) -> list[TargetRow]:
    """The revenue targets of every period, as sums of days."""
    daily = daily_revenue_targets(frames, True, as_of, movements)
    own = daily_revenue_targets(frames, False, as_of, movements)
    days_of_periods = _days_of_periods(as_of)
    rows = []
    for cut, shares in (("team", daily), ("rep", daily), ("company", own)):
        shares = shares.assign(to_date=shares["eur"].where(shares["day"] <= as_of, 0)).merge(days_of_periods, on="day")
        of_periods = shares.groupby([*PERIOD, cut])
        sums = of_periods[["eur", "to_date"]].sum()
        sums = sums[of_periods["month"].nunique() == of_periods["months"].first()]
        for (grain, start, entity), total in zip(sums.index, sums.to_dict("records"), strict=True):
            where = (*named(grain, start), "revenue", cut, str(entity))
            rows.append(TargetRow(*where, euros(total["eur"]), euros(total["to_date"])))
    return rows


def _days_of_periods(as_of: pd.Timestamp) -> pd.DataFrame:
    """All days of every period, with those to come; columns: day, PERIOD, and how many months the period is in."""
    whole = [period for period in periods(as_of) if not period.grain.endswith("_to_date")]
    return pd.concat(
        pd.DataFrame({"day": days, "grain": grain, "start": start, "months": len(set(days.month))})
        for grain, start, end, _ in whole
        for days in [pd.date_range(start, end, inclusive="left")]
    )


# ------------------------------------------------------------------------------------------------------------- days


def daily_revenue_targets(
    frames: Frames, of_reps: bool, as_of: pd.Timestamp = AS_OF, movements: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Revenue quotas spread over the days of their month, so that its first days contain round(target * their share).

    The quotas of reps, or the company's own. One row per rep and day; columns: rep, team and office then, company,
    month, day, and eur in cents.
    """
    quotas = frames["crm.quotas"].rename(columns={"period_month": "month", "rep_id": "rep"})
    wanted = (quotas["kpi_id"] == "revenue") & ((quotas["rep"] != COMPANY.name) == of_reps)
    quotas = quotas[wanted & (quotas["month"] >= FIRST_MONTH)]
    known_on = quotas["month"].where(quotas["month"] <= as_of, as_of)
    quotas["target"] = to_eur(quotas["target_value"], quotas["currency"], known_on, frames["finance.fx_rates"])
    net = None if movements is None else movements.groupby("day")["net"].sum()
    days = pd.concat(_days_of(month, as_of, net) for month in sorted({*MONTHS, *quotas["month"]}))
    daily = quotas.merge(days, on="month")
    weight = daily.groupby(["rep", "month"])["weight"]
    up_to_day, whole = weight.cumsum(), weight.transform("sum")
    due_on_day, due_on_eve = (
        rounded_quotient(daily["target"] * part, whole) for part in (up_to_day, up_to_day - daily["weight"])
    )
    daily["eur"] = due_on_day - due_on_eve
    daily["company"] = COMPANY.name
    daily[STAFF_CUTS] = staff_on(daily["rep"], daily["day"], frames["crm.rep_teams"])
    return daily


def _days_of(month: pd.Timestamp, as_of: pd.Timestamp, net: pd.Series[Any] | None) -> pd.DataFrame:
    """The days of a month; columns: month, day, weight.

    A day weighs as much as the days of its kind brought on average in the twelve months before, in ten-thousandths of
    the month's best kind. These end with the last month that is over when the month begins, or on the as-of date.
    Days are equal without these, or if they brought nothing.

    net: cents per day on which something was sold or refunded.
    """
    days = pd.DataFrame({"month": month, "day": pd.date_range(month, next_month(month), inclusive="left")})
    until = min(month, as_of.replace(day=1))
    since = until - pd.DateOffset(months=12)
    if net is None or since < FIRST_MONTH:
        return days.assign(weight=1)
    past = pd.date_range(since, until, inclusive="left")
    by_kind = net.reindex(past, fill_value=0).groupby(_kinds(past)).agg(["sum", "size"])
    mean = {kind: Fraction(max(0, int(cents)), int(number)) for kind, cents, number in by_kind.itertuples()}
    brought = [mean[kind] for kind in _kinds(days["day"])]
    best = max(brought)
    if not best:
        return days.assign(weight=1)
    return days.assign(weight=[int(10_000 * one / best + Fraction(1, 2)) for one in brought])


def _kinds(days: Iterable[pd.Timestamp]) -> list[int]:
    """What kind of day each is: a weekday, from 0 for Monday, or 7, a public holiday."""
    return [7 if day in _HOLIDAYS else day.weekday() for day in days]


def _public_holidays(year: int, easter: str) -> list[pd.Timestamp]:
    """Those of Poland. Christmas Eve is one since 2025."""
    fixed = ["01-01", "01-06", "05-01", "05-03", "08-15", "11-01", "11-11", "12-25", "12-26"]
    fixed += ["12-24"] if year >= 2025 else []
    of_easter = [pd.Timestamp(easter) + pd.Timedelta(days=days) for days in (0, 1, 49, 60)]
    return [pd.Timestamp(f"{year}-{day}") for day in fixed] + of_easter


_HOLIDAYS = {
    *_public_holidays(2024, "2024-03-31"),
    *_public_holidays(2025, "2025-04-20"),
    *_public_holidays(2026, "2026-04-05"),
}
