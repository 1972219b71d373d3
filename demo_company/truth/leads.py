"""Lead conversion: how many leads become customers, how fast, and how soon somebody touches them.

Belongs here: everything about leads alone.
Does not belong here: the deals that they become (deals), and what they cost (acquisition).
"""

from __future__ import annotations

import pandas as pd

from demo_company.tables import Frames
from demo_company.truth.basics import COMPANY, UNASSIGNED, TruthRow, business_date, month_of, quantiles, shares, team_on

NO_SOURCE = ("Select", "unknown", "")
_CUTS = ("company", "channel", "rep", "team")
_COHORT_DAYS = (30, 60, 90)


def lead_conversion(frames: Frames) -> list[TruthRow]:
    """Leads that became customers: of those created in a month, within N days or ever; and all conversions of a month.

    Also for leads created in a month: how long the conversion took, and how long leads waited for the first touch.
    """
    leads = _leads_with_cuts(frames)
    for days in _COHORT_DAYS:
        leads[f"cohort_{days}d"] = leads["converted"] < leads["created"] + pd.Timedelta(days=days)
    leads["cohort_ever"] = leads["converted"].notna()
    leads["days_to_convert"] = (leads["converted"] - leads["created"]).dt.days
    leads["hours_to_first_touch"] = _hours_to_first_touch(leads)
    converted = leads[leads["converted"].notna()].copy()
    converted["month"] = month_of(converted["converted"])
    converted["team"] = team_on(converted["rep"], converted["converted"], frames["crm.rep_teams"])
    rows = []
    for cut in _CUTS:
        created_in_month = leads.groupby(["month", cut]).size()
        for variant in (*(f"cohort_{days}d" for days in _COHORT_DAYS), "cohort_ever"):
            reached = leads[leads[variant]].groupby(["month", cut]).size()
            rows += shares("lead_conversion", variant, cut, reached, created_in_month)
        rows += shares("lead_conversion", "activity", cut, converted.groupby(["month", cut]).size(), created_in_month)
        for measure in ("days_to_convert", "hours_to_first_touch"):
            rows += quantiles("lead_conversion", f"{measure}_median", cut, leads, measure, 0.5)
    return rows


def _leads_with_cuts(frames: Frames) -> pd.DataFrame:
    """Leads that were not deleted, with business dates, month of creation and cuts (the team on the day created)."""
    leads = frames["crm.leads"]
    leads = leads[~leads["is_deleted"]].copy()
    leads["created"] = business_date(leads["created_at"])
    leads["converted"] = business_date(leads["converted_at"])
    leads["month"] = month_of(leads["created"])
    leads["company"] = COMPANY.name
    leads["channel"] = leads["source"].where(~leads["source"].isin(NO_SOURCE)).fillna(UNASSIGNED)
    leads["rep"] = leads["sdr_id"].fillna(UNASSIGNED)
    leads["team"] = team_on(leads["rep"], leads["created"], frames["crm.rep_teams"])
    return leads


def _hours_to_first_touch(leads: pd.DataFrame) -> pd.Series[float]:
    """Hours from creation to the first qualification, by marketing or sales, that did not precede it."""
    touches = [leads[step].where(leads[step] >= leads["created_at"]) for step in ("mql_at", "sql_at")]
    waited = pd.concat(touches, axis=1).min(axis=1) - leads["created_at"]
    return waited.dt.total_seconds() / 3_600
