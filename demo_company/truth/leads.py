"""Lead conversion: how many leads become customers, how fast, and how soon somebody touches them.

Belongs here: everything about leads alone.
Does not belong here: the deals that they become (deals), and what they cost (acquisition).
"""

from __future__ import annotations

import pandas as pd

from demo_company.tables import Frames
from demo_company.truth.basics import (
    AS_OF,
    COMPANY,
    PERIOD,
    STAFF_CUTS,
    UNASSIGNED,
    TruthRow,
    business_date,
    in_periods,
    quantiles,
    shares,
    staff_on,
)

NO_SOURCE = ("Select", "unknown", "")
_CUTS = ("company", "channel", "rep", *STAFF_CUTS)
_COHORT_DAYS = (30, 60, 90)


def lead_conversion(frames: Frames, as_of: pd.Timestamp = AS_OF) -> list[TruthRow]:
    """Leads that became customers: of those created in a period, within N days or ever, and all that converted in it.

    Also for leads created in a period: how long the conversion took, and how long leads waited for the first touch.
    """
    leads = _leads_with_cuts(frames)
    for days in _COHORT_DAYS:
        leads[f"cohort_{days}d"] = leads["converted"] < leads["created"] + pd.Timedelta(days=days)
    leads["cohort_ever"] = leads["converted"].notna()
    leads["days_to_convert"] = (leads["converted"] - leads["created"]).dt.days
    leads["hours_to_first_touch"] = _hours_to_first_touch(leads)
    converted = leads.copy()
    converted[STAFF_CUTS] = staff_on(leads["rep"], leads["converted"], frames["crm.rep_teams"])
    created, converted = in_periods(leads, "created", as_of), in_periods(converted, "converted", as_of)
    rows = []
    for cut in _CUTS:
        of_period = created.groupby([*PERIOD, cut]).size()
        for variant in (*(f"cohort_{days}d" for days in _COHORT_DAYS), "cohort_ever"):
            reached = created[created[variant]].groupby([*PERIOD, cut]).size()
            rows += shares("lead_conversion", variant, cut, reached, of_period)
        rows += shares("lead_conversion", "activity", cut, converted.groupby([*PERIOD, cut]).size(), of_period)
        for measure in ("days_to_convert", "hours_to_first_touch"):
            rows += quantiles("lead_conversion", f"{measure}_median", cut, created, measure, 0.5)
    return rows


def _leads_with_cuts(frames: Frames) -> pd.DataFrame:
    """Leads that were not deleted, with business dates and cuts (team and office on the day created)."""
    leads = frames["crm.leads"]
    leads = leads[~leads["is_deleted"]].copy()
    leads["created"] = business_date(leads["created_at"])
    leads["converted"] = business_date(leads["converted_at"])
    leads["company"] = COMPANY.name
    leads["channel"] = leads["source"].where(~leads["source"].isin(NO_SOURCE)).fillna(UNASSIGNED)
    leads["rep"] = leads["sdr_id"].fillna(UNASSIGNED)
    leads[STAFF_CUTS] = staff_on(leads["rep"], leads["created"], frames["crm.rep_teams"])
    return leads


def _hours_to_first_touch(leads: pd.DataFrame) -> pd.Series[float]:
    """Hours from creation to the first qualification, by marketing or sales, that did not precede it."""
    touches = [leads[step].where(leads[step] >= leads["created_at"]) for step in ("mql_at", "sql_at")]
    waited = pd.concat(touches, axis=1).min(axis=1) - leads["created_at"]
    return waited.dt.total_seconds() / 3_600
