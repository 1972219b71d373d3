"""Targets: what was set per rep and month, and what follows for teams and the company.

What belongs here: quotas in EUR and as shares, and spreading money over days. What does not: what was attained.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import pandas as pd

from demo_company.tables import Frames
from demo_company.truth.basics import AS_OF, COMPANY, MONTHS, euros, label, rounded_quotient, team_on, to_eur


class TargetRow(NamedTuple):
    """A month's target and the part of it that falls on days up to the as-of date: EUR, or a share such as 0.30."""

    period_month: str
    kpi_id: str
    entity_type: str
    entity_id: str
    target: Decimal
    target_to_date: Decimal


def targets(frames: Frames) -> list[TargetRow]:
    """Money for reps, teams and the company; rates, which do not add up, for reps alone."""
    quotas = frames["crm.quotas"]
    rates = quotas[quotas["currency"].isna() & quotas["period_month"].isin(MONTHS)]
    rows = []
    for month, kpi, rep, percent in rates[["period_month", "kpi_id", "rep_id", "target_value"]].itertuples(index=False):
        share = Decimal(percent).scaleb(-2)
        rows.append(TargetRow(label(month), kpi, "rep", rep, share, share))
    daily = daily_money_targets(frames)
    daily["to_date"] = daily["eur"].where(daily["day"] <= AS_OF, 0)
    for cut in ("company", "team", "rep"):
        sums = daily.groupby(["month", "kpi_id", cut])[["eur", "to_date"]].sum()
        for (month, kpi, entity), total in zip(sums.index, sums.to_dict("records"), strict=True):
            rows.append(TargetRow(label(month), kpi, cut, entity, euros(total["eur"]), euros(total["to_date"])))
    return sorted(rows)


def daily_money_targets(frames: Frames) -> pd.DataFrame:
    """Every money quota spread over the days of its month, so that the first k of n days hold round(target * k / n).

    One row per kpi_id, rep and day; columns: kpi_id, rep, team (on that day), company, month, day, and eur in cents.
    """
    quotas = frames["crm.quotas"].rename(columns={"period_month": "month", "rep_id": "rep"})
    quotas = quotas[quotas["currency"].notna() & quotas["month"].isin(MONTHS)].reset_index(drop=True)
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
