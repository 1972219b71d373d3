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
    PERIOD,
    STAFF_CUTS,
    UNASSIGNED,
    TruthRow,
    business_date,
    euros,
    in_periods,
    named,
    periods,
    quantiles,
    ratio,
    shares,
    staff_on,
    to_eur,
)
from demo_company.truth.targets import daily_revenue_targets

_CUTS = ("company", "rep", *STAFF_CUTS, "segment", "region", "category")
_OWNER_CUTS = ("company", "rep", *STAFF_CUTS)


def bookings(frames: Frames, as_of: pd.Timestamp = AS_OF) -> list[TruthRow]:
    """EUR of won deals by period of closing: the KPI `revenue`, variant `bookings`."""
    deals = _by_period_of(_deals_with_cuts(frames, as_of), "closed", frames, as_of)
    rows = []
    for cut in _CUTS:
        won = deals[deals["is_won"]].groupby([*PERIOD, cut])["eur"].sum()
        for (grain, start, entity), cents in zip(won.index, won.tolist(), strict=True):
            amount = euros(cents)
            rows.append(TruthRow(*named(grain, start), "revenue", "bookings", cut, str(entity), amount, None, amount))
    return rows


def win_rate(frames: Frames, as_of: pd.Timestamp = AS_OF, movements: pd.DataFrame | None = None) -> list[TruthRow]:
    """Won deals as a share of all closed deals, by number and by EUR, by period of closing and by period of creation.

    Also by period of closing: the value of a won deal, the time it takes, whether the pipeline covers the target, and
    how many EUR it brings per day. `movements`: the sales that targets are spread like.
    """
    deals = _deals_with_cuts(frames, as_of)
    closed = _by_period_of(deals, "closed", frames, as_of)
    created = _by_period_of(deals[deals["closed"].notna()], "created", frames, as_of)
    pipeline = _open_at_period_starts(deals, frames, as_of)
    targets = _targets_of_whole_periods(frames, as_of, movements)
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
    """All deals with business dates (`closed` is NaT while open), owner, customer's segment and region, category of the
    product of that name, and EUR cents.

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
    deals["category"] = deals["product"].map(frames["shop.products"].set_index("name")["category"]).fillna(UNASSIGNED)
    return deals


def _by_period_of(deals: pd.DataFrame, basis: str, frames: Frames, as_of: pd.Timestamp) -> pd.DataFrame:
    """Deals once per period that counts the day of `basis` (created or closed), with the owner's STAFF_CUTS."""
    reached = deals[deals[basis].notna()].copy()
    reached[STAFF_CUTS] = staff_on(reached["rep"], reached[basis], frames["crm.rep_teams"])
    return in_periods(reached, basis, as_of)


def _won_of_closed(deals: pd.DataFrame, basis: str, cut: str) -> list[TruthRow]:
    every = deals.groupby([*PERIOD, cut])["eur"].agg(["size", "sum"])
    won = deals[deals["is_won"]].groupby([*PERIOD, cut])["eur"].agg(["size", "sum"])
    by_value = shares("win_rate", f"{basis}_value", cut, won["sum"], every["sum"], shown=euros)
    unknown = _lacking_amounts(deals, cut)
    return [
        *shares("win_rate", f"{basis}_count", cut, won["size"], every["size"]),
        *(row._replace(value=None) if (*row[:2], row.entity_id) in unknown else row for row in by_value),
    ]


def _lacking_amounts(deals: pd.DataFrame, cut: str) -> set[tuple[str, str, str]]:
    """(grain, start, entity) in which more than half of the won deals, or of the lost deals, have no amount."""
    with_amount = deals.assign(known=deals["eur"] != 0).groupby([*PERIOD, cut, "is_won"])["known"].mean()
    return {(*named(grain, start), str(entity)) for grain, start, entity, _ in with_amount[with_amount < 0.5].index}


def _average_deal(closed: pd.DataFrame, cut: str) -> list[TruthRow]:
    """EUR per won deal; NULL if every deal of the period was lost."""
    won = closed.assign(eur=closed["eur"].where(closed["is_won"], 0))
    sums = won.groupby([*PERIOD, cut])[["eur", "is_won"]].sum()
    rows = []
    for (grain, start, entity), total in zip(sums.index, sums.to_dict("records"), strict=True):
        cents, number = int(total["eur"]), int(total["is_won"])
        where = (*named(grain, start), "win_rate", "average_deal", cut, str(entity))
        rows.append(TruthRow(*where, euros(cents), number, ratio(cents, 100 * number)))
    return rows


# --------------------------------------------------------------------------------------------------------- pipeline


def _open_at_period_starts(deals: pd.DataFrame, frames: Frames, as_of: pd.Timestamp) -> pd.DataFrame:
    """Deals created before a period starts and not yet closed, once per such period, with their owners at that time."""
    history = frames["crm.stage_history"].sort_values("changed_at", kind="stable")
    calendar = pd.DataFrame([period[:2] for period in periods(as_of)], columns=PERIOD)
    snapshots = []
    for start in calendar["start"].unique():
        open_then = deals[(deals["created"] < start) & ~(deals["closed"] < start)].assign(start=start)
        entered = history[history["changed_at"] < start.tz_localize("Europe/Warsaw")]
        owner = entered.drop_duplicates("opportunity_id", keep="last").set_index("opportunity_id")["owner_id"]
        open_then["rep"] = open_then["id"].map(owner).fillna(UNASSIGNED)
        snapshots.append(open_then)
    pipeline = pd.concat(snapshots, ignore_index=True)
    eve = pipeline["start"] - pd.Timedelta(days=1)
    pipeline[STAFF_CUTS] = staff_on(pipeline["rep"], eve, frames["crm.rep_teams"])
    return calendar.merge(pipeline, on="start")


def _targets_of_whole_periods(frames: Frames, as_of: pd.Timestamp, movements: pd.DataFrame | None) -> pd.DataFrame:
    """The reps' daily revenue targets, once per period whose targets are all set, in progress or not.

    The first days of an earlier period have the targets of all of it: its pipeline had all its days to close.
    """
    daily = daily_revenue_targets(frames, True, as_of, movements)
    end_of = {(period.grain, period.start): period.end for period in periods(as_of)}
    whole = [daily.assign(grain="", start=daily["day"]).head(0)]
    for grain, start in end_of:
        end = end_of[grain.removesuffix("_to_date"), start]
        due = daily[(daily["day"] >= start) & (daily["day"] < end)]
        if due["day"].nunique() == (end - start).days:
            whole.append(due.assign(grain=grain, start=start))
    return pd.concat(whole, ignore_index=True)


def _coverage(pipeline: pd.DataFrame, targets: pd.DataFrame, cut: str) -> list[TruthRow]:
    """EUR of deals open at the start of the period / revenue target of the whole period."""
    open_eur, target = (frame.groupby([*PERIOD, cut])["eur"].sum() for frame in (pipeline, targets))
    rows = shares("win_rate", "pipeline_coverage", cut, open_eur, target, shown=euros)
    return [row._replace(denominator=row.denominator or None) for row in rows]


def _velocity(pipeline: pd.DataFrame, closed: pd.DataFrame, cut: str) -> list[TruthRow]:
    """EUR per day: deals open at the start of the period x EUR won per deal closed / mean days to win one."""
    by_period = closed.groupby([*PERIOD, cut])
    won_eur = closed[closed["is_won"]].groupby([*PERIOD, cut])["eur"].sum()
    figures = pd.concat(
        [
            pipeline.groupby([*PERIOD, cut]).size().rename("open"),
            by_period.size().rename("closed"),
            won_eur.rename("won_cents"),
        ],
        axis=1,
    )
    figures = figures.fillna(0).astype("int64").sort_index()
    figures["cycle_days"] = by_period["won_cycle_days"].mean()
    rows = []
    for (grain, start, entity), at in zip(figures.index, figures.to_dict("records"), strict=True):
        expected = ratio(at["open"] * at["won_cents"], 100 * at["closed"])
        days = None if pd.isna(at["cycle_days"]) else at["cycle_days"]
        where = (*named(grain, start), "win_rate", "pipeline_velocity", cut, str(entity))
        rows.append(TruthRow(*where, expected, days, ratio(expected, days)))
    return rows
