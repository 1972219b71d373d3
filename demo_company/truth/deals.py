"""Deals: the win rate and related variants, and the bookings that are shown next to revenue.

Belongs here: everything about opportunities.
Does not belong here: the leads that they came from (leads), and the orders that follow (movements).
"""

from __future__ import annotations

import pandas as pd

from demo_company.tables import Frames
from demo_company.truth.basics import (
    AS_OF,
    COMPANY,
    MONTHS,
    UNASSIGNED,
    TruthRow,
    business_date,
    euros,
    label,
    month_of,
    quantiles,
    ratio,
    shares,
    team_on,
    to_eur,
)
from demo_company.truth.targets import daily_revenue_targets

_CUTS = ("company", "rep", "team", "segment", "region")
_OWNER_CUTS = ("company", "rep", "team")


def bookings(frames: Frames, as_of: pd.Timestamp = AS_OF) -> list[TruthRow]:
    """EUR of won deals by month of closing: the KPI `revenue`, variant `bookings`."""
    deals = _by_month_of(_deals_with_cuts(frames, as_of), "closed", frames)
    rows = []
    for cut in _CUTS:
        won = deals[deals["is_won"]].groupby(["month", cut])["eur"].sum()
        for (month, entity), cents in zip(won.index, won.tolist(), strict=True):
            amount = euros(cents)
            rows.append(TruthRow(label(month), "revenue", "bookings", cut, str(entity), amount, None, amount))
    return rows


def win_rate(frames: Frames, as_of: pd.Timestamp = AS_OF) -> list[TruthRow]:
    """Won deals as a share of all closed deals, by number and by EUR, by month of closing and by month of creation.

    Also by month of closing: the value of a won deal, the time it takes, whether the pipeline covers the target, and
    how many EUR it brings per day.
    """
    deals = _deals_with_cuts(frames, as_of)
    closed = _by_month_of(deals, "closed", frames)
    created = _by_month_of(deals[deals["closed"].notna()], "created", frames)
    pipeline = _open_at_month_starts(deals, frames)
    targets = daily_revenue_targets(frames, of_reps=True)
    rows = []
    for cut in _CUTS:
        rows += _won_of_closed(closed, "closed", cut)
        rows += _won_of_closed(created, "created", cut)
        rows += _average_deal(closed, cut)
        rows += quantiles("win_rate", "cycle_days_median", cut, closed, "won_cycle_days", 0.5)
        rows += quantiles("win_rate", "cycle_days_p90", cut, closed, "won_cycle_days", 0.9)
    for cut in _OWNER_CUTS:
        rows += _coverage(pipeline, targets, cut)
        rows += _velocity(pipeline, closed, cut)
    return rows


def _deals_with_cuts(frames: Frames, as_of: pd.Timestamp) -> pd.DataFrame:
    """All deals with business dates (`closed` is NaT while open), owner, customer's segment and region, and EUR cents.

    EUR at the rate of the day on which the deal closed, or of the as-of date for an open deal. won_cycle_days: from
    creation to closing of won deals; missing if somebody entered the deal after it had closed.
    """
    deals = frames["crm.opportunities"].copy()
    deals["created"], deals["closed"] = business_date(deals["created_at"]), business_date(deals["closed_at"])
    deals["eur"] = to_eur(deals["amount"], deals["currency"], deals["closed"].fillna(as_of), frames["finance.fx_rates"])
    deals["won_cycle_days"] = (deals["closed"] - deals["created"]).dt.days.where(
        deals["is_won"] & (deals["closed_at"] >= deals["created_at"])
    )
    deals["company"], deals["rep"] = COMPANY.name, deals["owner_id"].fillna(UNASSIGNED)
    customers = frames["shop.customers"].set_index("customer_id")
    for cut in ("segment", "region"):
        deals[cut] = deals["customer_id"].map(customers[cut]).fillna(UNASSIGNED)
    return deals


def _by_month_of(deals: pd.DataFrame, basis: str, frames: Frames) -> pd.DataFrame:
    """Deals that have reached `basis` (created or closed), with its month and the owner's team on that day."""
    reached = deals[deals[basis].notna()].copy()
    reached["month"] = month_of(reached[basis])
    reached["team"] = team_on(reached["rep"], reached[basis], frames["crm.rep_teams"])
    return reached


def _won_of_closed(deals: pd.DataFrame, basis: str, cut: str) -> list[TruthRow]:
    every = deals.groupby(["month", cut])["eur"].agg(["size", "sum"])
    won = deals[deals["is_won"]].groupby(["month", cut])["eur"].agg(["size", "sum"])
    by_value = shares("win_rate", f"{basis}_value", cut, won["sum"], every["sum"], shown=euros)
    unknown = _lacking_amounts(deals, cut)
    return [
        *shares("win_rate", f"{basis}_count", cut, won["size"], every["size"]),
        *(row._replace(value=None) if (row.period_month, row.entity_id) in unknown else row for row in by_value),
    ]


def _lacking_amounts(deals: pd.DataFrame, cut: str) -> set[tuple[str, str]]:
    """(month, entity) in which more than half of the won deals, or of the lost deals, have no amount."""
    with_amount = deals.assign(known=deals["eur"] != 0).groupby(["month", cut, "is_won"])["known"].mean()
    return {(label(month), str(entity)) for month, entity, _ in with_amount[with_amount < 0.5].index}


def _average_deal(closed: pd.DataFrame, cut: str) -> list[TruthRow]:
    """EUR per won deal; NULL if every deal of the month was lost."""
    sums = closed.assign(eur=closed["eur"].where(closed["is_won"], 0)).groupby(["month", cut])[["eur", "is_won"]].sum()
    rows = []
    for (month, entity), total in zip(sums.index, sums.to_dict("records"), strict=True):
        cents, number = int(total["eur"]), int(total["is_won"])
        mean = ratio(cents, 100 * number)
        rows.append(TruthRow(label(month), "win_rate", "average_deal", cut, str(entity), euros(cents), number, mean))
    return rows


# --------------------------------------------------------------------------------------------------------- pipeline


def _open_at_month_starts(deals: pd.DataFrame, frames: Frames) -> pd.DataFrame:
    """Deals created before a month starts and not yet closed, once per such month, with their owners at that time."""
    history = frames["crm.stage_history"].sort_values("changed_at", kind="stable")
    snapshots = []
    for month in MONTHS:
        open_then = deals[(deals["created"] < month) & ~(deals["closed"] < month)].assign(month=month)
        entered = history[history["changed_at"] < month.tz_localize("Europe/Warsaw")]
        owner = entered.drop_duplicates("opportunity_id", keep="last").set_index("opportunity_id")["owner_id"]
        open_then["rep"] = open_then["id"].map(owner).fillna(UNASSIGNED)
        snapshots.append(open_then)
    pipeline = pd.concat(snapshots, ignore_index=True)
    eve = pipeline["month"] - pd.Timedelta(days=1)
    pipeline["team"] = team_on(pipeline["rep"], eve, frames["crm.rep_teams"])
    return pipeline


def _coverage(pipeline: pd.DataFrame, targets: pd.DataFrame, cut: str) -> list[TruthRow]:
    """EUR of deals open at the start of the month / revenue target of the whole month."""
    open_eur, target = (frame.groupby(["month", cut])["eur"].sum() for frame in (pipeline, targets))
    rows = shares("win_rate", "pipeline_coverage", cut, open_eur, target, shown=euros)
    return [row._replace(denominator=row.denominator or None) for row in rows]


def _velocity(pipeline: pd.DataFrame, closed: pd.DataFrame, cut: str) -> list[TruthRow]:
    """EUR per day: deals open at the start of the month x EUR won per deal closed / mean days to win one."""
    by_month = closed.groupby(["month", cut])
    won_eur = closed[closed["is_won"]].groupby(["month", cut])["eur"].sum()
    figures = pd.concat(
        [
            pipeline.groupby(["month", cut]).size().rename("open"),
            by_month.size().rename("closed"),
            won_eur.rename("won_cents"),
        ],
        axis=1,
    )
    figures = figures.fillna(0).astype("int64").sort_index()
    figures["cycle_days"] = by_month["won_cycle_days"].mean()
    rows = []
    for (month, entity), at in zip(figures.index, figures.to_dict("records"), strict=True):
        expected = ratio(at["open"] * at["won_cents"], 100 * at["closed"])
        days = None if pd.isna(at["cycle_days"]) else at["cycle_days"]
        velocity = ratio(expected, days)
        rows.append(TruthRow(label(month), "win_rate", "pipeline_velocity", cut, str(entity), expected, days, velocity))
    return rows
