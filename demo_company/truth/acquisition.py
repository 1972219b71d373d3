"""Customer acquisition cost, and what the money spent on customers brings back.

Belongs here: spend and costs, and the customers, leads and sales that they are compared with.
Does not belong here: the value of a customer (customers).
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from demo_company.tables import Frames
from demo_company.truth.basics import (
    AS_OF,
    COMPANY,
    PERIOD,
    Entity,
    Number,
    Period,
    TruthRow,
    business_date,
    euros,
    in_periods,
    named,
    periods,
    ratio,
    to_eur,
)
from demo_company.truth.customers import Prediction, predictions
from demo_company.truth.movements import first_orders

_INSIDE = ("sales_people", "marketing_people", "tools")
_CAMPAIGN_CUTS = ["channel", "platform"]
_OF_WHOLE_MONTHS = ("month", "quarter", "year")
_MEASURES = [
    *("spend", "paid", "impressions", "clicks", "days_of_ads", "days_of_paid_ads", "agency", "inside"),
    *("sales", "orders", "new", "new_by_ads", "leads", "sqls"),
]

Place = tuple[str, str, str]
"""Grain, first day and KPI of a row."""
Total = dict[str, int]


def cac(
    frames: Frames, movements: pd.DataFrame, customer_months: pd.DataFrame, as_of: pd.Timestamp = AS_OF
) -> list[TruthRow]:
    """What it costs in a period to win a customer, a lead or a qualified lead, and what that money brings back.

    spend, impressions, clicks: of all campaigns.
    paid: spend of paid campaigns per new customer whose last touch at or before the first order was one of theirs.
    blended: all spend and the agency, per new customer. fully_loaded: plus the people and tools of sales and marketing.
    cpl, cost_per_sql: the blended cost per lead created, and per lead that sales accepted.
    roas, romi: sales of orders whose last touch belongs to a paid campaign, and what remains of them, per EUR of spend.
    payback_months, ltv_cac: the blended cost of a customer compared with the margin of a month and the lifetime value.
    The costs of the agency and the people are those of whole months, and known only after the month. Until then,
    variants that include them have no value.
    """
    facts = in_periods(_facts(frames, movements), "day", as_of)
    company = _totals(facts, COMPANY.cut)
    known_until = frames["finance.costs"]["cost_month"].max() + pd.offsets.MonthBegin()
    worth = predictions(customer_months, COMPANY.cut)
    rows = []
    for period in periods(as_of):
        total = company.get((period.grain, period.start, COMPANY.name), dict.fromkeys(_MEASURES, 0))
        of = (*named(period.grain, period.start), "cac")
        rows += [*_of_ads(of, COMPANY, total), *_paid(of, COMPANY, total)]
        blended = total["spend"] + total["agency"]
        if period.grain in _OF_WHOLE_MONTHS:
            for variant, cents, bought in (
                ("blended", blended, "new"),
                ("fully_loaded", blended + total["inside"], "new"),
                ("cpl", blended, "leads"),
                ("cost_per_sql", blended, "sqls"),
            ):
                cost = _cost_per(of, variant, COMPANY, cents, total[bought])
                rows.append(cost if period.until <= known_until else cost._replace(value=None))
        if period.grain == "month":
            cost_per_customer = ratio(blended, 100 * total["new"])
            rows += against_value(period, cost_per_customer, worth.get((period.start, COMPANY.name)))
    for cut in _CAMPAIGN_CUTS:
        for (grain, start, name), total in _totals(facts, cut).items():
            of, entity = (*named(grain, start), "cac"), Entity(cut, name)
            if total["days_of_ads"]:
                rows += _of_ads(of, entity, total)
            if total["days_of_paid_ads"] or total["orders"]:
                rows += _paid(of, entity, total)
    return rows


def _facts(frames: Frames, movements: pd.DataFrame) -> pd.DataFrame:
    """Everything that the KPI adds up: day, company, channel and platform of the campaign if any, and the measures.

    Measures are whole numbers, money in EUR cents: spend, paid (spend of paid campaigns), agency, inside (people and
    tools), sales and orders of paid campaigns, new customers, those won by paid campaigns, leads, and accepted leads.
    """
    leads = frames["crm.leads"]
    leads = leads[~leads["is_deleted"]]
    facts = pd.concat(
        [
            _spend(frames),
            _costs(frames),
            _sales_from_ads(frames, movements),
            first_orders(movements)[["day"]].assign(new=1),
            business_date(leads["created_at"]).to_frame("day").assign(leads=1),
            business_date(leads["sql_at"]).to_frame("day").assign(sqls=1),
        ]
    )
    facts[_MEASURES] = facts[_MEASURES].fillna(0).astype("int64")
    return facts.assign(company=COMPANY.name)


def _totals(facts: pd.DataFrame, cut: str) -> dict[tuple[str, pd.Timestamp, str], Total]:
    """The sums of all measures by grain, first day and entity."""
    sums = facts.groupby([*PERIOD, cut])[_MEASURES].sum()
    return dict(zip(sums.index.tolist(), sums.to_dict("records"), strict=True))


def _of_ads(of: Place, entity: Entity, total: Total) -> list[TruthRow]:
    """What ads cost and how often they were shown and clicked. The demo company's platforms report nothing more."""
    counted: dict[str, Number] = {
        "spend": euros(total["spend"]),
        "impressions": total["impressions"],
        "clicks": total["clicks"],
    }
    return [TruthRow(*of, variant, *entity, number, None, number) for variant, number in counted.items()]


def _paid(of: Place, entity: Entity, total: Total) -> list[TruthRow]:
    """The three variants about paid campaigns: what a customer costs, what a EUR brings, and what remains of that."""
    paid, sales = total["paid"], total["sales"]
    return [
        _cost_per(of, "paid", entity, paid, total["new_by_ads"]),
        *(
            TruthRow(*of, variant, *entity, euros(cents), euros(paid), ratio(cents, paid))
            for variant, cents in (("roas", sales), ("romi", sales - paid))
        ),
    ]


def against_value(month: Period, cost: float | None, customer: Prediction | None) -> list[TruthRow]:
    """Months until a customer has paid back the cost, and lifetime value per EUR of cost; NULL if nothing remains."""
    margin, value = (customer.margin, customer.value) if customer else (None, None)
    meaningful = month.is_over and margin is not None and margin > 0
    where = named(month.grain, month.start)
    return [
        TruthRow(*where, "cac", variant, *COMPANY, part, whole, ratio(part, whole) if meaningful else None)
        for variant, part, whole in (("payback_months", cost, margin), ("ltv_cac", value, cost))
    ]


def _cost_per(of: Place, variant: str, entity: Entity, cents: int, bought: int) -> TruthRow:
    return TruthRow(*of, variant, *entity, euros(cents), bought, ratio(cents, 100 * bought))


def _spend(frames: Frames) -> pd.DataFrame:
    """One row per campaign and day."""
    campaigns = frames["ads.campaigns"][["campaign_id", *_CAMPAIGN_CUTS, "is_paid"]]
    spend = frames["ads.spend"].merge(campaigns, on="campaign_id").rename(columns={"spend_date": "day"})
    spend["spend"] = to_eur(spend["spend"], spend["currency"], spend["day"], frames["finance.fx_rates"])
    spend = spend.assign(
        paid=spend["spend"].where(spend["is_paid"], 0), days_of_ads=1, days_of_paid_ads=spend["is_paid"]
    )
    ads = ["spend", "paid", "impressions", "clicks", "days_of_ads", "days_of_paid_ads"]
    return spend[["day", *_CAMPAIGN_CUTS, *ads]]


def _costs(frames: Frames) -> pd.DataFrame:
    """One row per month and type of cost, on the first of the month."""
    costs = frames["finance.costs"].rename(columns={"cost_month": "day"})
    eur = to_eur(costs["amount"], costs["currency"], costs["day"], frames["finance.fx_rates"])
    agency, inside = costs["cost_type"] == "agency", costs["cost_type"].isin(_INSIDE)
    return costs[["day"]].assign(agency=eur.where(agency, 0), inside=eur.where(inside, 0))


def _sales_from_ads(frames: Frames, movements: pd.DataFrame) -> pd.DataFrame:
    """Counting orders whose customer's last touch at or before the order belongs to a paid campaign, however long ago.

    One row per order: day, channel and platform of the campaign, sales (gross - discounts), and whether it won a new
    customer. The last touch is determined by touched_at, then touchpoint_id.
    """
    orders = movements.loc[movements["orders"] == 1, ["order_id", "customer_id", "ordered_at", "day", "is_first"]]
    touches = frames["ads.touchpoints"][["touchpoint_id", "customer_id", "campaign_id", "touched_at"]]
    touches = touches.dropna(subset="customer_id").merge(orders, on="customer_id")
    touches = touches[touches["touched_at"] <= touches["ordered_at"]]
    last = touches.sort_values(["touched_at", "touchpoint_id"]).drop_duplicates("order_id", keep="last")
    campaigns = frames["ads.campaigns"]
    from_ads = last.merge(campaigns.loc[campaigns["is_paid"], ["campaign_id", *_CAMPAIGN_CUTS]], on="campaign_id")
    sums = movements.groupby("order_id")[["gross", "discounts"]].sum()
    sold: pd.Series[Any] = from_ads["order_id"].map(sums["gross"] - sums["discounts"])
    from_ads = from_ads.assign(sales=sold, orders=1, new_by_ads=from_ads["is_first"])
    return from_ads[["day", *_CAMPAIGN_CUTS, "sales", "orders", "new_by_ads"]]
