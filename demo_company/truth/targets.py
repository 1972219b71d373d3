"""Targets: what was set per month for reps and the company, the resulting team targets, and how much was attained.

Belongs here: quotas in EUR and as shares, spreading money over days, and comparing a KPI with its target.
Does not belong here: computing the KPI.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

import pandas as pd

from demo_company.tables import Frames
from demo_company.truth.basics import (
    AS_OF,
    COMPANY,
    MONTHS,
    TruthRow,
    euros,
    label,
    ratio,
    rounded_quotient,
    team_on,
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
    """A month's target and the part of it for the days up to the as-of date: EUR, or a share such as 0.30.

    attainment: 1 if that part was met exactly, more if it was exceeded; None if the KPI has no value, or a value from
    fewer than 20 cases.
    """

    period_month: str
    kpi_id: str
    entity_type: str
    entity_id: str
    target: Decimal
    target_to_date: Decimal
    attainment: float | None = None


def targets(frames: Frames, reached: Iterable[TruthRow] = (), as_of: pd.Timestamp = AS_OF) -> list[TargetRow]:
    """Targets of reps and the company; for teams, the revenue targets of their reps. Only revenue is spread over days.

    reached: the rows of the truth, from which the attainment is computed.
    """
    reached_by = {
        (row.period_month, row.kpi_id, row.entity_type, row.entity_id): row
        for row in reached
        if (row.kpi_id, row.variant) in _MEASURED_BY
    }
    return [row._replace(attainment=_attainment(row, reached_by.get(row[:4]))) for row in _set_or_summed(frames, as_of)]


def _attainment(target: TargetRow, reached: TruthRow | None) -> float | None:
    """How much of the target was reached by the as-of date. A cost reaches its target from above."""
    if reached is None or reached.value is None:
        return None
    if reached.denominator is not None and reached.denominator < _FEWEST_CASES:
        return None
    value, due = float(reached.value), float(target.target_to_date)
    return ratio(due, value) if target.kpi_id in _GOOD_WHEN_LOW else ratio(value, due)


def _set_or_summed(frames: Frames, as_of: pd.Timestamp) -> list[TargetRow]:
    quotas = frames["crm.quotas"]
    quotas = quotas[quotas["period_month"].isin(MONTHS)]
    fixed = quotas[quotas["kpi_id"] != "revenue"]
    rows = []
    for month, kpi, rep, hundredths in fixed[["period_month", "kpi_id", "rep_id", "target_value"]].itertuples(
        index=False
    ):
        target = Decimal(hundredths).scaleb(-2)  # a share, NPS points, or EUR
        rows.append(TargetRow(label(month), kpi, COMPANY.cut if rep == COMPANY.name else "rep", rep, target, target))
    daily = daily_revenue_targets(frames, of_reps=True)
    own = daily_revenue_targets(frames, of_reps=False)
    for cut, shares in (("team", daily), ("rep", daily), ("company", own)):
        shares = shares.assign(to_date=shares["eur"].where(shares["day"] <= as_of, 0))
        sums = shares.groupby(["month", cut])[["eur", "to_date"]].sum()
        for (month, entity), total in zip(sums.index, sums.to_dict("records"), strict=True):
            rows.append(TargetRow(label(month), "revenue", cut, entity, euros(total["eur"]), euros(total["to_date"])))
    return sorted(rows)


def daily_revenue_targets(frames: Frames, of_reps: bool) -> pd.DataFrame:
    """Revenue quotas spread over the days of their month, so that the first k of n days contain round(target * k / n).

    The quotas of reps, or the company's own. One row per rep and day; columns: rep, team (on that day), company, month,
    day, and eur in cents.
    """
    quotas = frames["crm.quotas"].rename(columns={"period_month": "month", "rep_id": "rep"})
    wanted = (quotas["kpi_id"] == "revenue") & ((quotas["rep"] != COMPANY.name) == of_reps)
    quotas = quotas[wanted & quotas["month"].isin(MONTHS)].reset_index(drop=True)
    quotas["target"] = to_eur(quotas["target_value"], quotas["currency"], quotas["month"], frames["finance.fx_rates"])
    quotas["days"] = quotas["month"].dt.days_in_month
    daily = quotas.loc[quotas.index.repeat(quotas["days"])]
    days_before = daily.groupby(level=0).cumcount()
    daily = daily.reset_index(drop=True)
    before = days_before.reset_index(drop=True)
    daily["day"] = daily["month"] + pd.to_timedelta(before, unit="D")
    up_to_day, up_to_eve = (rounded_quotient(daily["target"] * days, daily["days"]) for days in (before + 1, before))
    daily["eur"] = up_to_day - up_to_eve
    daily["company"] = COMPANY.name
    daily["team"] = team_on(daily["rep"], daily["day"], frames["crm.rep_teams"])
    return daily
