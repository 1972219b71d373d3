"""Net promoter score and response rate.

Belongs here: everything about the survey. Does not belong here: who the customers are (movements).
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from demo_company.tables import Frames
from demo_company.truth.basics import (
    AS_OF,
    COMPANY,
    PERIOD,
    UNASSIGNED,
    TruthRow,
    business_date,
    every_period,
    in_periods,
    periods,
    shares,
)
from demo_company.truth.movements import CUSTOMER_CUTS


def nps(frames: Frames, customers: pd.DataFrame, as_of: pd.Timestamp = AS_OF) -> list[TruthRow]:
    """Promoters (9, 10) minus detractors (0 to 6) per hundred customers, each by the latest answer; and response rate.

    The channel is that of the invitation: the invitation of the latest answer, or the invitations sent. An invitation
    may be answered after its period, so parts of earlier periods have no response rate to compare with.
    """
    answers, sent = _answers(frames, customers), in_periods(_invitations(frames, customers), "day", as_of)
    counted = [("response_rate", sent, "answered", 1)]
    for variant in ("period", "trailing_90d"):
        counted.append((variant, _latest_answers(answers, variant, as_of), "balance", 100))
    rows = []
    for variant, frame, measure, per in counted:
        for cut in CUSTOMER_CUTS:
            grouped = frame.groupby([*PERIOD, cut])[measure]
            rows += shares("nps", variant, cut, grouped.sum(), every_period(grouped.size(), cut, as_of), per=per)
    return [row for row in rows if row.variant != "response_rate" or not row.grain.endswith("_to_date")]


def _latest_answers(answers: pd.DataFrame, variant: str, as_of: pd.Timestamp) -> pd.DataFrame:
    """Per period, each customer's latest answer of the period, or of the 90 days before the end of what counts."""
    windows = []
    for period in periods(as_of):
        start = period.start if variant == "period" else period.until - pd.Timedelta(days=90)
        window = answers[(answers["day"] >= start) & (answers["day"] < period.until)]
        latest = window.drop_duplicates("customer_id", keep="last")
        windows.append(latest.assign(grain=period.grain, start=period.start))
    return pd.concat(windows)


def _answers(frames: Frames, customers: pd.DataFrame) -> pd.DataFrame:
    """Answers from first to latest, with business date, cuts, and balance: 1 for promoters, -1 detractors, else 0."""
    answers = frames["survey.responses"].sort_values(["responded_at", "response_id"])
    answers["day"] = business_date(answers["responded_at"])
    answers["balance"] = (answers["score"] >= 9).astype("int64") - (answers["score"] <= 6)
    channel = frames["survey.invitations"].set_index("invitation_id")["channel"]
    return _with_cuts(answers, customers, answers["invitation_id"].map(channel))


def _invitations(frames: Frames, customers: pd.DataFrame) -> pd.DataFrame:
    """Invitations with the day on which they were sent, whether they were answered, and cuts."""
    sent = frames["survey.invitations"].copy()
    sent["day"] = business_date(sent["sent_at"])
    sent["answered"] = sent["invitation_id"].isin(frames["survey.responses"]["invitation_id"])
    return _with_cuts(sent, customers, sent["channel"])


def _with_cuts(rows: pd.DataFrame, customers: pd.DataFrame, channel: pd.Series[Any]) -> pd.DataFrame:
    cuts = {cut: rows["customer_id"].map(customers[cut]).fillna(UNASSIGNED) for cut in ("segment", "region")}
    return rows.assign(company=COMPANY.name, channel=channel.fillna(UNASSIGNED), **cuts)
