"""The whole demo company: the versions and clean frames of every table, and the team history, for one seed and scale.

Belongs here: calling the modules that invent the business in the right order.
Does not belong here: the inventing itself, faults in what is delivered (dirt), files (deliveries) and KPIs (truth).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from demo_company import catalogue, funnel, marketing, sales
from demo_company.clock import DAY, LAST_MOMENT
from demo_company.dice import Dice
from demo_company.tables import TABLES, Frames, newest_versions

_AT_SCALE_ONE = {"customers": 30_000, "leads": 40_000, "expansions": 4_000}


@dataclass(frozen=True)
class Company:
    """The business as it really was.

    versions: for each table, every version of every row as a flawless system would have delivered it (table columns and
    HELPERS, in the order in which they arose). clean: for each table, the newest version of every row; and under
    `crm.rep_teams`, who was in which team from which day on (rep_id, valid_from, team).
    """

    versions: Frames
    clean: Frames


def build_company(scale: float, seed: int) -> Company:
    """Invent the business. Scale 1 has about 100,000 orders."""
    ppm = round(scale * 1_000_000)
    count = {name: number * ppm // 1_000_000 for name, number in _AT_SCALE_ONE.items()}
    staff = catalogue.hire_staff()
    rates = catalogue.quote_rates(Dice(seed, "fx_rates"))
    products = catalogue.design_products(Dice(seed, "products"))
    leads, becomes_deal = funnel.invent_leads(seed, count["leads"], staff)
    deals = funnel.new_business(seed, leads, becomes_deal, staff, rates)
    customers = sales.invent_customers(seed, count["customers"], deals)
    orders = sales.invent_orders(seed, customers, deals, staff)
    items = sales.invent_items(seed, orders, customers, products, rates)
    deals = deals.followed_by(_expansions(seed, count["expansions"], customers, orders, staff, rates))
    deals = _in_order_of_creation(deals, leads)
    invitations, responses = marketing.survey(seed, orders)
    versions = {
        **catalogue.finance_and_staff_frames(staff, rates, products, seed, ppm),
        "shop.customers": sales.customer_versions(seed, customers),
        "shop.orders": sales.order_versions(orders),
        "shop.order_items": sales.item_versions(items, orders),
        "shop.refunds": sales.refund_versions(seed, orders, items, rates),
        "crm.leads": funnel.lead_versions(leads, deals),
        "crm.opportunities": funnel.opportunity_versions(deals),
        "crm.stage_history": funnel.stage_history(deals),
        "ads.spend": marketing.spend(seed, ppm),
        "ads.touchpoints": marketing.touchpoints(seed, leads, customers, orders),
        "survey.invitations": invitations,
        "survey.responses": responses,
    }
    clean = {name: newest_versions(table, versions[name]) for name, table in TABLES.items()}
    clean["crm.rep_teams"] = catalogue.rep_teams(versions["crm.sales_reps"])
    return Company({name: _in_order(versions[name]) for name in TABLES}, clean)


def _expansions(
    seed: int,
    count: int,
    customers: sales.Customers,
    orders: sales.Orders,
    staff: catalogue.Staff,
    rates: catalogue.Rates,
) -> funnel.Deals:
    """Some time after an order, some customers talk about buying more. Frequent buyers do so more often."""
    dice = Dice(seed, "expansion_moments")
    order = dice.below(len(orders.ordered), count)
    created = orders.ordered[order] + DAY + dice.waiting(25 * DAY, count)
    past = created <= LAST_MOMENT
    customer = orders.customer[order[past]]
    country, segment = customers.country[customer], customers.segment[customer]
    return funnel.expansions(seed, created[past], customer, country, segment, staff, rates)


def _in_order_of_creation(deals: funnel.Deals, leads: funnel.Leads) -> funnel.Deals:
    """Sort the deals, and update the positions of deals in the leads."""
    order = np.argsort(deals.created, kind="stable").astype(np.int64)
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    has_deal = leads.deal >= 0
    leads.deal[has_deal] = position[leads.deal[has_deal]]
    return deals.take(order)


def _in_order(versions: pd.DataFrame) -> pd.DataFrame:
    return versions.sort_values("happened_on", kind="stable").reset_index(drop=True)
