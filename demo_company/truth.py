"""The true KPIs of the demo company, worked out from its clean frames in plain pandas.

What belongs here: the definitions of the eight KPIs, one function each, written to be read. What does not: files,
dirt, and anything of the pipeline; this is the second opinion its numbers are compared with.

Frames are the clean frames (money in integer cents of the row's currency, moments in UTC) plus `crm.rep_teams`.
Windows are half open, `[start, end)`, in business dates: the Warsaw date of a moment. Every amount is converted to
EUR and rounded half away from zero to whole cents per row and component before anything is added up.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from demo_company.tables import Frames

FIRST_MONTH = pd.Timestamp("2024-01-01")
AS_OF = pd.Timestamp("2026-01-09")
MONTHS = list(pd.date_range(FIRST_MONTH, AS_OF, freq="MS"))
COMPLETE_MONTHS = [month for month in MONTHS if month + pd.offsets.MonthBegin() <= AS_OF + pd.Timedelta(days=1)]
"""All but the month in progress."""

NO_SOURCE = ("Select", "unknown", "")
UNASSIGNED = "unassigned"

Number = int | float | Decimal | None


class TruthRow(NamedTuple):
    """One published number. Money is a Decimal in EUR, a count an int, a ratio a float, NULL is None."""

    period_month: str
    kpi_id: str
    variant: str
    entity_type: str
    entity_id: str
    numerator: Number
    denominator: Number
    value: Number


def all_kpis(frames: Frames) -> list[TruthRow]:
    """Every row of truth.csv."""
    movements = sales_movements(frames)
    return [
        *revenue(movements),
        *lead_conversion(frames),
        *win_rate(frames),
        *cac(frames, movements),
        *clv(movements),
        *sales_growth(movements),
        *retention(movements),
        *nps(frames),
    ]


def write_truth(path: Path, rows: Iterable[TruthRow]) -> int:
    """Write truth.csv; returns how many rows it has."""
    written = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(TruthRow._fields)
        for row in rows:
            writer.writerow([*row[:5], *(_as_text(number) for number in row[5:])])
            written += 1
    return written


def _as_text(number: Number) -> str:
    if number is None:
        return ""
    return repr(number) if isinstance(number, float) else format(number, "f" if isinstance(number, Decimal) else "d")


# ------------------------------------------------------------------------------------------------------ small tools


def business_date(moments: pd.Series[Any]) -> pd.Series[Any]:
    """The Warsaw date of each UTC moment, as midnight without a zone."""
    days: pd.Series[Any] = moments.dt.tz_convert("Europe/Warsaw").dt.tz_localize(None).dt.normalize()
    return days


def month_of(days: pd.Series[Any]) -> pd.Series[Any]:
    """The first of the month of each day."""
    return pd.Series(days.to_numpy().astype("datetime64[M]").astype("datetime64[s]"), index=days.index)


def to_eur(cents: pd.Series[Any], currency: pd.Series[Any], days: pd.Series[Any], fx: pd.DataFrame) -> pd.Series[Any]:
    """Cents of any currency as EUR cents, by the latest rate on or before the day; exact, half away from zero."""
    micros = np.full(len(cents), 1_000_000, dtype=np.int64)
    stamps = days.to_numpy().astype("datetime64[s]")
    for code, quoted in fx.sort_values("rate_date").groupby("from_currency"):
        rows = (currency == code).to_numpy(dtype=bool)
        latest = np.searchsorted(quoted["rate_date"].to_numpy().astype("datetime64[s]"), stamps[rows], "right") - 1
        micros[rows] = quoted["rate"].to_numpy()[latest]
    amount = cents.to_numpy(dtype=np.int64)
    rounded = np.sign(amount) * ((np.abs(amount) * micros + 500_000) // 1_000_000)
    return pd.Series(rounded, index=cents.index)


def team_on(reps: pd.Series[Any], days: pd.Series[Any], rep_teams: pd.DataFrame) -> pd.Series[Any]:
    """The team of each rep on a day, `unassigned` without a rep; before the first entry the first team holds."""
    teams = pd.Series(UNASSIGNED, index=reps.index, dtype=object)
    for rep, history in rep_teams.sort_values("valid_from").groupby("rep_id"):
        mine = reps == rep
        since = np.searchsorted(history["valid_from"].to_numpy(), days[mine].to_numpy(), side="right") - 1
        teams[mine] = history["team"].to_numpy(dtype=object)[np.maximum(since, 0)]
    return teams


def euros(cents: int) -> Decimal:
    """Integer cents as a Decimal with two places."""
    return Decimal(int(cents)).scaleb(-2)


def _as_euros(cents: Number) -> Decimal:
    return euros(int(cents or 0))


def ratio(numerator: int, denominator: int) -> float | None:
    """Their quotient, None when there is nothing to divide by."""
    return int(numerator) / int(denominator) if denominator else None


def _label(month: Any) -> str:
    return str(pd.Timestamp(month).strftime("%Y-%m-%d"))


def _company(month: Any, kpi: str, variant: str, numerator: Number, denominator: Number, value: Number) -> TruthRow:
    return TruthRow(_label(month), kpi, variant, "company", "company", numerator, denominator, value)


def _next_month(month: pd.Timestamp) -> pd.Timestamp:
    return month + pd.offsets.MonthBegin()


# -------------------------------------------------------------------------------------------- what orders amount to


def counting_orders(frames: Frames) -> pd.DataFrame:
    """Orders that count, neither cancelled nor deleted, with `day`, `rep`, `segment` and `is_first`."""
    orders = frames["shop.orders"]
    orders = orders[(orders["status"] != "cancelled") & ~orders["is_deleted"]].copy()
    orders["day"] = business_date(orders["ordered_at"])
    orders["rep"] = orders["sales_rep_id"].fillna(UNASSIGNED)
    orders = orders.merge(frames["shop.customers"][["customer_id", "segment"]], on="customer_id", how="left")
    first = orders.sort_values(["ordered_at", "order_id"]).drop_duplicates("customer_id")["order_id"]
    orders["is_first"] = orders["order_id"].isin(first)
    return orders


def sales_movements(frames: Frames) -> pd.DataFrame:
    """Everything that adds to or takes from sales, one row per order item, refund and order.

    Columns: day, month, order_id, customer_id, ordered_at, is_first, the cuts (channel, rep, region, segment, team),
    and in EUR cents gross, discounts, cost and refunds; orders is 1 on one row per order. An order's row and its
    items lie on the order's day, a refund on its own day.
    """
    fx = frames["finance.fx_rates"]
    orders = counting_orders(frames)
    about = ["order_id", "customer_id", "ordered_at", "is_first", "channel", "rep", "region", "segment"]
    counted = orders[[*about, "day"]].assign(orders=1)

    items = frames["shop.order_items"].merge(orders[[*about, "day", "currency"]], on="order_id")
    items["gross"] = to_eur(items["quantity"] * items["unit_price"], items["currency"], items["day"], fx)
    items["discounts"] = to_eur(items["discount_amount"], items["currency"], items["day"], fx)
    items["cost"] = to_eur(items["quantity"] * items["unit_cost"], items["currency"], items["day"], fx)

    refunds = frames["shop.refunds"].merge(orders[about], on="order_id")
    refunds["day"] = business_date(refunds["refunded_at"])
    refunds["refunds"] = to_eur(refunds["amount"], refunds["currency"], refunds["day"], fx)

    amounts = ["gross", "discounts", "cost", "refunds", "orders"]
    rows = pd.concat([part.reindex(columns=[*about, "day", *amounts]) for part in (counted, items, refunds)])
    rows = rows.reset_index(drop=True)
    rows[amounts] = rows[amounts].fillna(0).astype("int64")
    rows["month"] = month_of(rows["day"])
    rows["team"] = team_on(rows["rep"], rows["day"], frames["crm.rep_teams"])
    rows["net"] = rows["gross"] - rows["discounts"] - rows["refunds"]
    return rows


# ---------------------------------------------------------------------------------------------------------- revenue

_CUTS = ("company", "channel", "rep", "region", "segment", "team")


def revenue(movements: pd.DataFrame) -> list[TruthRow]:
    """Sales per month and cut: net = gross - discounts - refunds, its parts, margin, orders and average order."""
    sales = movements.assign(company="company")
    sales["margin"] = sales["net"] - sales["cost"]
    sales["new_customer_net"] = sales["net"].where(sales["is_first"], 0)
    sales["repeat_net"] = sales["net"].where(~sales["is_first"], 0)
    money = ["net", "gross", "discounts", "refunds", "margin", "new_customer_net", "repeat_net"]
    rows = []
    for cut in _CUTS:
        sums = sales.groupby(["month", cut])[[*money, "orders"]].sum()
        for (month, entity), total in zip(sums.index, sums.to_dict("records"), strict=True):
            where = (_label(month), "revenue")
            for variant in money:
                amount = euros(total[variant])
                rows.append(TruthRow(*where, variant, cut, str(entity), amount, None, amount))
            orders = int(total["orders"])
            rows.append(TruthRow(*where, "orders", cut, str(entity), orders, None, orders))
            spent = int(total["gross"] - total["discounts"])
            average = ratio(spent, 100 * orders)
            rows.append(TruthRow(*where, "aov", cut, str(entity), euros(spent), orders, average))
    return rows


# -------------------------------------------------------------------------------------------------- lead conversion

_COHORT_DAYS = (30, 60, 90)


def lead_conversion(frames: Frames) -> list[TruthRow]:
    """Leads that became customers: of those created in a month, within N days or ever; and all of a month's."""
    leads = frames["crm.leads"]
    leads = leads[~leads["is_deleted"]].copy()
    leads["created"] = business_date(leads["created_at"])
    leads["converted"] = business_date(leads["converted_at"])
    leads["month"] = month_of(leads["created"])
    leads["channel"] = leads["source"].where(~leads["source"].isin(NO_SOURCE)).fillna(UNASSIGNED)
    leads["rep"] = leads["sdr_id"].fillna(UNASSIGNED)
    leads["company"] = "company"
    leads["team"] = team_on(leads["rep"], leads["created"], frames["crm.rep_teams"])
    for days in _COHORT_DAYS:
        leads[f"cohort_{days}d"] = leads["converted"] < leads["created"] + pd.Timedelta(days=days)
    leads["cohort_ever"] = leads["converted"].notna()
    converted = leads[leads["converted"].notna()].copy()
    converted["month"] = month_of(converted["converted"])
    converted["team"] = team_on(converted["rep"], converted["converted"], frames["crm.rep_teams"])
    rows = []
    for cut in ("company", "channel", "rep", "team"):
        created_in_month = leads.groupby(["month", cut]).size()
        for variant in (*(f"cohort_{days}d" for days in _COHORT_DAYS), "cohort_ever"):
            reached = leads[leads[variant]].groupby(["month", cut]).size()
            rows += _shares("lead_conversion", variant, cut, reached, created_in_month)
        rows += _shares("lead_conversion", "activity", cut, converted.groupby(["month", cut]).size(), created_in_month)
    return rows


def _shares(kpi: str, variant: str, cut: str, part: pd.Series[Any], whole: pd.Series[Any]) -> list[TruthRow]:
    """One row per (month, entity) that occurs in either: how many of how many."""
    both = pd.concat([part.rename("part"), whole.rename("whole")], axis=1).fillna(0).astype("int64").sort_index()
    return [
        TruthRow(_label(month), kpi, variant, cut, str(entity), p, w, ratio(p, w))
        for (month, entity), p, w in zip(both.index, both["part"].tolist(), both["whole"].tolist(), strict=True)
    ]


# --------------------------------------------------------------------------------------------------------- win rate


def win_rate(frames: Frames) -> list[TruthRow]:
    """Won of all closed deals, by number and by EUR at closing; by month of closing and by month of creation."""
    deals = frames["crm.opportunities"]
    deals = deals[deals["is_closed"]].copy()
    deals["closed"], deals["created"] = business_date(deals["closed_at"]), business_date(deals["created_at"])
    deals["eur"] = to_eur(deals["amount"], deals["currency"], deals["closed"], frames["finance.fx_rates"])
    deals["company"], deals["rep"] = "company", deals["owner_id"].fillna(UNASSIGNED)
    rows = []
    for basis in ("closed", "created"):
        deals["month"] = month_of(deals[basis])
        deals["team"] = team_on(deals["rep"], deals[basis], frames["crm.rep_teams"])
        for cut in ("company", "rep", "team"):
            every = deals.groupby(["month", cut])["eur"].agg(["size", "sum"])
            won = deals[deals["is_won"]].groupby(["month", cut])["eur"].agg(["size", "sum"])
            rows += _shares("win_rate", f"{basis}_count", cut, won["size"], every["size"])
            for row in _shares("win_rate", f"{basis}_value", cut, won["sum"], every["sum"]):
                rows.append(row._replace(numerator=_as_euros(row.numerator), denominator=_as_euros(row.denominator)))
    return rows


# -------------------------------------------------------------------------------------------- what a customer costs


def cac(frames: Frames, movements: pd.DataFrame) -> list[TruthRow]:
    """What it costs in a month to win a customer.

    paid: spend of paid campaigns per new customer whose last touch at or before the first order was one of theirs.
    blended: all spend and the agency per new customer. fully_loaded: the people and tools of sales and marketing, too.
    """
    fx = frames["finance.fx_rates"]
    spend = frames["ads.spend"].merge(frames["ads.campaigns"][["campaign_id", "is_paid"]], on="campaign_id")
    spend["eur"] = to_eur(spend["spend"], spend["currency"], spend["spend_date"], fx)
    spend["month"] = month_of(spend["spend_date"])
    costs = frames["finance.costs"].rename(columns={"cost_month": "month"})
    costs["eur"] = to_eur(costs["amount"], costs["currency"], costs["month"], fx)
    everyone = _first_orders(movements)
    from_ads = everyone[everyone["customer_id"].isin(_last_touched_by_paid(frames, everyone))]
    rows = []
    for month in MONTHS:
        in_ads = spend[spend["month"] == month]
        in_costs = costs[costs["month"] == month]
        paid = int(in_ads.loc[in_ads["is_paid"], "eur"].sum())
        agency = int(in_costs.loc[in_costs["cost_type"] == "agency", "eur"].sum())
        inside = in_costs["cost_type"].isin(["sales_people", "marketing_people", "tools"])
        blended = int(in_ads["eur"].sum()) + agency
        new, new_from_ads = (int((customers["month"] == month).sum()) for customers in (everyone, from_ads))
        for variant, cents, customers in (
            ("paid", paid, new_from_ads),
            ("blended", blended, new),
            ("fully_loaded", blended + int(in_costs.loc[inside, "eur"].sum()), new),
        ):
            rows.append(_company(month, "cac", variant, euros(cents), customers, ratio(cents, 100 * customers)))
    return rows


def _first_orders(movements: pd.DataFrame) -> pd.DataFrame:
    """One row per customer: the first counting order."""
    return movements[movements["is_first"] & (movements["orders"] == 1)]


def _last_touched_by_paid(frames: Frames, first_orders: pd.DataFrame) -> pd.Series[Any]:
    """Customers whose last touch (touched_at, touchpoint_id) at or before the first order is of a paid campaign."""
    touches = frames["ads.touchpoints"].merge(first_orders[["customer_id", "ordered_at"]], on="customer_id")
    touches = touches[touches["touched_at"] <= touches["ordered_at"]]
    last = touches.sort_values(["touched_at", "touchpoint_id"]).drop_duplicates("customer_id", keep="last")
    paid = frames["ads.campaigns"].loc[frames["ads.campaigns"]["is_paid"], "campaign_id"]
    return last.loc[last["campaign_id"].isin(paid), "customer_id"]


# ----------------------------------------------------------------------------------------- what a customer is worth


def clv(movements: pd.DataFrame) -> list[TruthRow]:
    """Net revenue per customer within N days of the first order, by month of the first order.

    The value stays NULL until every customer of the month has been watched for N days.
    """
    first_day = _first_orders(movements).set_index("customer_id")["day"]
    lived = movements.assign(first_day=movements["customer_id"].map(first_day))
    lived["age"] = (lived["day"] - lived["first_day"]).dt.days
    lived["cohort"] = month_of(lived["first_day"])
    sizes = month_of(first_day).value_counts()
    rows = []
    for days in (30, 90, 180, 365):
        sums = lived[lived["age"].between(0, days - 1)].groupby("cohort")["net"].sum()
        for month in MONTHS:
            customers, cents = int(sizes.get(month, 0)), int(sums.get(month, 0))
            last_day = _next_month(month) - pd.Timedelta(days=1)
            watched = last_day + pd.Timedelta(days=days) <= AS_OF + pd.Timedelta(days=1)
            value = ratio(cents, 100 * customers) if watched else None
            rows.append(_company(month, "clv", f"historic_{days}d", euros(cents), customers, value))
    return rows


# ----------------------------------------------------------------------------------------------------- sales growth


def sales_growth(movements: pd.DataFrame) -> list[TruthRow]:
    """Net revenue against an earlier span of the same length, complete months only; NULL without a positive base."""
    by_month = movements.groupby("month")["net"].sum()
    net = [int(by_month.get(month, 0)) for month in COMPLETE_MONTHS]
    rows = []
    # Variant: length of the span in months, and how many months earlier the other span ends.
    for variant, span, back in (
        ("mom", 1, 1), ("qoq", 3, 3), ("yoy", 1, 12), ("rolling_3", 3, 3), ("trailing_12", 12, 12),
    ):  # fmt: skip
        for place, month in enumerate(COMPLETE_MONTHS):
            if variant == "qoq" and month.month % 3:
                continue
            current = _span(net, place, span)
            prior = _span(net, place - back, span)
            value = None
            if current is not None and prior is not None and prior > 0:
                value = (current - prior) / prior
            shown = [None if cents is None else euros(cents) for cents in (current, prior)]
            rows.append(_company(month, "sales_growth", variant, shown[0], shown[1], value))
    return rows


def _span(net: list[int], last: int, length: int) -> int | None:
    """Sum of the `length` months up to position `last`, None when the business is younger than that."""
    first = last - length + 1
    return sum(net[first : last + 1]) if first >= 0 else None


# -------------------------------------------------------------------------------------------------------- retention

_ACTIVE_DAYS = pd.Timedelta(days=90)


def retention(movements: pd.DataFrame) -> list[TruthRow]:
    """Who stays: customers still active after the month, customers who bought again, and revenue that stayed."""
    orders = movements[movements["orders"] == 1]
    net = movements.groupby(["month", "customer_id"])["net"].sum()
    rows = []
    for month in MONTHS:
        end = _next_month(month)
        at_start = _buyers_between(orders, month - _ACTIVE_DAYS, month)
        stayed = at_start & _buyers_between(orders, end - _ACTIVE_DAYS, end)
        rows.append(_count_share(month, "logo", len(stayed), len(at_start)))
        so_far = orders.loc[orders["day"] < end, "customer_id"].value_counts()
        rows.append(_count_share(month, "repeat_purchase", int((so_far >= 2).sum()), len(so_far)))
        rows += _revenue_retention(month, net)
    return rows


def _count_share(month: pd.Timestamp, variant: str, part: int, whole: int) -> TruthRow:
    return _company(month, "retention", variant, part, whole, ratio(part, whole))


def _buyers_between(orders: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> set[str]:
    return set(orders.loc[(orders["day"] >= start) & (orders["day"] < end), "customer_id"])


def _revenue_retention(month: pd.Timestamp, net: pd.Series[Any]) -> list[TruthRow]:
    """Of customers with positive net revenue last month: their net revenue now, with (nrr) and without (grr) growth."""
    months = net.index.get_level_values("month")
    before = net[months == month - pd.offsets.MonthBegin()].droplevel("month")
    before = before[before > 0]
    now = net[months == month].droplevel("month").reindex(before.index, fill_value=0)
    base = int(before.sum())
    kept = int(now.sum())
    kept_at_most = int(np.minimum(now.clip(lower=0), before).sum())
    return [
        _company(month, "retention", variant, euros(cents), euros(base), ratio(cents, base))
        for variant, cents in (("nrr", kept), ("grr", kept_at_most))
    ]


# -------------------------------------------------------------------------------------------------------------- nps


def nps(frames: Frames) -> list[TruthRow]:
    """Promoters (9, 10) minus detractors (0 to 6) per hundred customers, each by the latest answer; response rate."""
    answers = frames["survey.responses"].copy()
    answers["day"] = business_date(answers["responded_at"])
    answers = answers.sort_values(["responded_at", "response_id"])
    sent = frames["survey.invitations"].copy()
    sent["month"] = month_of(business_date(sent["sent_at"]))
    sent["answered"] = sent["invitation_id"].isin(answers["invitation_id"])
    rows = []
    for month in MONTHS:
        end = _next_month(month)
        for variant, start in (("month", month), ("trailing_90d", end - pd.Timedelta(days=90))):
            latest = answers[(answers["day"] >= start) & (answers["day"] < end)]
            scores = latest.drop_duplicates("customer_id", keep="last")["score"]
            balance = int((scores >= 9).sum() - (scores <= 6).sum())
            share = ratio(100 * balance, len(scores))
            rows.append(_company(month, "nps", variant, balance, len(scores), share))
        asked = sent[sent["month"] == month]
        part = int(asked["answered"].sum())
        rows.append(_company(month, "nps", "response_rate", part, len(asked), ratio(part, len(asked))))
    return rows
