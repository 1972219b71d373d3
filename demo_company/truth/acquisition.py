"""Customer acquisition cost, and what the money spent on customers brings back.

Belongs here: spend and costs, and the customers, leads and sales that they are compared with.
Does not belong here: the value of a customer (customers).
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from demo_company.tables import Frames
from demo_company.truth.basics import (
    COMPANY,
    COMPLETE_MONTHS,
    MONTHS,
    Entity,
    TruthRow,
    business_date,
    euros,
    label,
    month_of,
    ratio,
    to_eur,
)
from demo_company.truth.customers import Prediction, predictions
from demo_company.truth.movements import first_orders

_INSIDE = ("sales_people", "marketing_people", "tools")


def cac(frames: Frames, movements: pd.DataFrame, customer_months: pd.DataFrame) -> list[TruthRow]:
    """What it costs in a month to win a customer, a lead or a qualified lead, and what that money brings back.

    paid: spend of paid campaigns per new customer whose last touch at or before the first order was one of theirs.
    blended: all spend and the agency, per new customer. fully_loaded: plus the people and tools of sales and marketing.
    cpl, cost_per_sql: the blended cost per lead created, and per lead that sales accepted.
    roas, romi: sales of orders whose last touch belongs to a paid campaign, and what remains of them, per EUR of spend.
    payback_months, ltv_cac: the blended cost of a customer compared with the margin of a month and the lifetime value.
    The costs of the agency and the people are known only after the month. Until then, variants that include them have
    no value.
    """
    spend, costs = _spend(frames), _costs(frames)
    attributed = _sales_from_ads(frames, movements)
    agency, inside = costs["cost_type"] == "agency", costs["cost_type"].isin(_INSIDE)
    new_customers = first_orders(movements)["month"].value_counts()
    worth = predictions(customer_months, COMPANY.cut)
    leads = frames["crm.leads"]
    leads = leads[~leads["is_deleted"]]
    created, accepted = (month_of(business_date(leads[step])).value_counts() for step in ("created_at", "sql_at"))

    rows = []
    for month in MONTHS:
        blended = _sum(spend, month) + _sum(costs[agency], month)
        new = int(new_customers.get(month, 0))
        for variant, cents, bought in (
            ("blended", blended, new),
            ("fully_loaded", blended + _sum(costs[inside], month), new),
            ("cpl", blended, int(created.get(month, 0))),
            ("cost_per_sql", blended, int(accepted.get(month, 0))),
        ):
            cost = _cost_per(month, variant, COMPANY, cents, bought)
            rows.append(cost if month <= costs["month"].max() else cost._replace(value=None))
        rows += _paid(month, COMPANY, spend, attributed)
        rows += against_value(month, ratio(blended, 100 * new), worth.get((month, COMPANY.name)))
    for channel in sorted({*spend.loc[spend["is_paid"], "channel"], *attributed["channel"]}):
        in_spend, in_sales = (frame[frame["channel"] == channel] for frame in (spend, attributed))
        with_any = {*in_spend.loc[in_spend["is_paid"], "month"], *in_sales["month"]}
        for month in sorted(with_any):
            rows += _paid(month, Entity("channel", channel), in_spend, in_sales)
    return rows


def _paid(month: pd.Timestamp, entity: Entity, spend: pd.DataFrame, attributed: pd.DataFrame) -> list[TruthRow]:
    """The three variants about paid campaigns: what a customer costs, what a EUR brings, and what remains of that."""
    paid = _sum(spend[spend["is_paid"]], month)
    customers = int((attributed["is_first"] & (attributed["month"] == month)).sum())
    sales = _sum(attributed, month)
    return [
        _cost_per(month, "paid", entity, paid, customers),
        *(
            TruthRow(label(month), "cac", variant, *entity, euros(cents), euros(paid), ratio(cents, paid))
            for variant, cents in (("roas", sales), ("romi", sales - paid))
        ),
    ]


def against_value(month: pd.Timestamp, cost: float | None, customer: Prediction | None) -> list[TruthRow]:
    """Months until a customer has paid back the cost, and lifetime value per EUR of cost; NULL if nothing remains."""
    margin, value = (customer.margin, customer.value) if customer else (None, None)
    meaningful = month in COMPLETE_MONTHS and margin is not None and margin > 0
    return [
        TruthRow(label(month), "cac", variant, *COMPANY, part, whole, ratio(part, whole) if meaningful else None)
        for variant, part, whole in (("payback_months", cost, margin), ("ltv_cac", value, cost))
    ]


def _cost_per(month: pd.Timestamp, variant: str, entity: Entity, cents: int, bought: int) -> TruthRow:
    return TruthRow(label(month), "cac", variant, *entity, euros(cents), bought, ratio(cents, 100 * bought))


def _sum(rows: pd.DataFrame, month: pd.Timestamp) -> int:
    return int(rows.loc[rows["month"] == month, "eur"].sum())


def _spend(frames: Frames) -> pd.DataFrame:
    """Spend per campaign and day: month, EUR cents, the campaign's channel, and whether that is a paid channel."""
    campaigns = frames["ads.campaigns"][["campaign_id", "channel", "is_paid"]]
    spend = frames["ads.spend"].merge(campaigns, on="campaign_id")
    spend["eur"] = to_eur(spend["spend"], spend["currency"], spend["spend_date"], frames["finance.fx_rates"])
    spend["month"] = month_of(spend["spend_date"])
    return spend


def _costs(frames: Frames) -> pd.DataFrame:
    costs = frames["finance.costs"].rename(columns={"cost_month": "month"})
    costs["eur"] = to_eur(costs["amount"], costs["currency"], costs["month"], frames["finance.fx_rates"])
    return costs


def _sales_from_ads(frames: Frames, movements: pd.DataFrame) -> pd.DataFrame:
    """Counting orders whose customer's last touch at or before the order belongs to a paid campaign, however long ago.

    One row per order: order_id, month, is_first, eur (gross - discounts, in cents), and the channel of the campaign.
    The last touch is determined by touched_at, then touchpoint_id.
    """
    orders = movements.loc[movements["orders"] == 1, ["order_id", "customer_id", "ordered_at", "month", "is_first"]]
    touches = frames["ads.touchpoints"][["touchpoint_id", "customer_id", "campaign_id", "touched_at"]]
    touches = touches.dropna(subset="customer_id").merge(orders, on="customer_id")
    touches = touches[touches["touched_at"] <= touches["ordered_at"]]
    last = touches.sort_values(["touched_at", "touchpoint_id"]).drop_duplicates("order_id", keep="last")
    campaigns = frames["ads.campaigns"]
    from_ads = last.merge(campaigns.loc[campaigns["is_paid"], ["campaign_id", "channel"]], on="campaign_id")
    sums = movements.groupby("order_id")[["gross", "discounts"]].sum()
    sold: pd.Series[Any] = from_ads["order_id"].map(sums["gross"] - sums["discounts"])
    return from_ads.assign(eur=sold)[["order_id", "month", "is_first", "eur", "channel"]]
