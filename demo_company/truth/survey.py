"""Net promoter score and response rate.

Belongs here: everything about the survey. Does not belong here: who the customers are (movements).
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from demo_company.tables import Frames
from demo_company.truth.basics import (
    COMPANY,
    MONTHS,
    UNASSIGNED,
    TruthRow,
    business_date,
    every_month,
    month_of,
    next_month,
    shares,
)
from demo_company.truth.movements import CUSTOMER_CUTS


def nps(frames: Frames, customers: pd.DataFrame) -> list[TruthRow]:
    """Promoters (9, 10) minus detractors (0 to 6) per hundred customers, each by the latest answer; and response rate.

    The channel is that of the invitation: the invitation of the latest answer, or the invitations sent.
    """
    answers, sent = _answers(frames, customers), _invitations(frames, customers)
    counted = [("response_rate", sent, "answered", 1)]
    for variant, length in (("month", None), ("trailing_90d", pd.Timedelta(days=90))):
        counted.append((variant, _latest_answers(answers, length), "balance", 100))
    rows = []
    for variant, frame, measure, per in counted:
        for cut in CUSTOMER_CUTS:
            grouped = frame.groupby(["month", cut])[measure]
            rows += shares("nps", variant, cut, grouped.sum(), every_month(grouped.size(), cut), per=per)
    return rows


def _latest_answers(answers: pd.DataFrame, length: pd.Timedelta | None) -> pd.DataFrame:
    """Per month, each customer's latest answer of the `length` before the month's end, or of the month itself."""
    months = []
    for month in MONTHS:
        end = next_month(month)
        start = month if length is None else end - length
        window = answers[(answers["day"] >= start) & (answers["day"] < end)]
        months.append(window.drop_duplicates("customer_id", keep="last").assign(month=month))
    return pd.concat(months)


def _answers(frames: Frames, customers: pd.DataFrame) -> pd.DataFrame:
    """Answers from first to latest, with business date, cuts, and balance: 1 for promoters, -1 detractors, else 0."""
    answers = frames["survey.responses"].sort_values(["responded_at", "response_id"])
    answers["day"] = business_date(answers["responded_at"])
    answers["balance"] = (answers["score"] >= 9).astype("int64") - (answers["score"] <= 6)
    channel = frames["survey.invitations"].set_index("invitation_id")["channel"]
    return _with_cuts(answers, customers, answers["invitation_id"].map(channel))


def _invitations(frames: Frames, customers: pd.DataFrame) -> pd.DataFrame:
    """Invitations with the month in which they were sent, whether they were answered, and cuts."""
    sent = frames["survey.invitations"].copy()
    sent["month"] = month_of(business_date(sent["sent_at"]))
    sent["answered"] = sent["invitation_id"].isin(frames["survey.responses"]["invitation_id"])
    return _with_cuts(sent, customers, sent["channel"])


def _with_cuts(rows: pd.DataFrame, customers: pd.DataFrame, channel: pd.Series[Any]) -> pd.DataFrame:
    cuts = {cut: rows["customer_id"].map(customers[cut]).fillna(UNASSIGNED) for cut in ("segment", "region")}
    return rows.assign(company=COMPANY.name, channel=channel.fillna(UNASSIGNED), **cuts)
