"""The demo company in parts: the versions and clean frames of every table, and the team history.

Belongs here: dividing the business into parts that fit into memory, and calling the modules that invent each one in the
right order.
Does not belong here: the inventing itself, faults in what is delivered (dirt), files (deliveries) and KPIs (truth).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from demo_company import catalogue, funnel, marketing, sales
from demo_company.clock import DAY, LAST_MOMENT
from demo_company.dice import Dice
from demo_company.tables import TABLES, Frames, Ids, newest_versions

LARGEST_PART = 1.0
"""The scale above which the business is divided. Inventing a part of this size takes half a gigabyte of memory."""

_AT_SCALE_ONE = {"customers": 30_000, "leads": 40_000, "expansions": 4_000}
_MILLION = 1_000_000
_SHARED = (
    "shop.products", "crm.sales_reps", "crm.rep_teams", "crm.quotas", "ads.campaigns", "ads.spend", "finance.fx_rates",
    "finance.costs",
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """One part of the business: some of its customers and leads, with all that they do.

    number: 0 for the first of the `of` parts; seed: of its own random numbers; ppm: its size in millionths of scale 1;
    whole_seed, whole_ppm: the same of the whole business, for the tables that all parts share.
    """

    number: int
    of: int
    seed: int
    ppm: int
    whole_seed: int
    whole_ppm: int

    def own(self, frames: Frames) -> Frames:
        """The frames that this part adds to the whole business. The shared ones belong to the first part."""
        return {name: frame for name, frame in frames.items() if self.number == 0 or name not in _SHARED}


def parts_of(scale: float, seed: int, largest: float = LARGEST_PART) -> list[Part]:
    """Divide the business into equal parts of at most the scale `largest`. Scale 1 has about 100,000 orders."""
    whole = round(scale * _MILLION)
    count = math.ceil(scale / largest)
    edges = [whole * number // count for number in range(count + 1)]
    return [
        Part(number, count, _seed_of(seed, number), edges[number + 1] - edges[number], seed, whole)
        for number in range(count)
    ]


def _seed_of(seed: int, number: int) -> int:
    """A business that is not divided keeps its seed."""
    return seed if number == 0 else int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0])


@dataclass(frozen=True)
class Company:
    """The business, or a part of it, as it really was.

    versions: for each table, every version of every row as a flawless system would have delivered it (table columns and
    HELPERS, in the order in which they arose).
    """

    versions: Frames

    @cached_property
    def clean(self) -> Frames:
        """For each table, the newest version of every row; and under `crm.rep_teams`, who was in which team and
        office from which day on (rep_id, valid_from, team, office)."""
        clean = {name: newest_versions(table, self.versions[name]) for name, table in TABLES.items()}
        return clean | {"crm.rep_teams": catalogue.rep_teams(self.versions["crm.sales_reps"])}


def build_company(part: Part) -> Company:
    """Invent one part of the business, with all of the shared tables."""
    seed, ids = part.seed, Ids(part.number, part.of)
    count = {name: number * part.ppm // _MILLION for name, number in _AT_SCALE_ONE.items()}
    staff = catalogue.hire_staff()
    rates = catalogue.quote_rates(Dice(part.whole_seed, "fx_rates"))
    products = catalogue.design_products(Dice(part.whole_seed, "products"))
    leads, becomes_deal = funnel.invent_leads(seed, count["leads"], staff)
    deals = funnel.new_business(seed, leads, becomes_deal, staff, rates)
    customers = sales.invent_customers(seed, count["customers"], deals)
    orders = sales.invent_orders(seed, customers, deals, staff)
    items = sales.invent_items(seed, orders, customers, products, rates)
    deals = deals.followed_by(_expansions(seed, count["expansions"], customers, orders, staff, rates))
    deals = _in_order_of_creation(deals, leads)
    invitations, responses = marketing.survey(seed, orders, ids)
    versions = {
        **catalogue.finance_and_staff_frames(staff, rates, products, part.whole_seed, part.whole_ppm),
        "shop.customers": sales.customer_versions(seed, customers, ids),
        "shop.orders": sales.order_versions(orders, ids),
        "shop.order_items": sales.item_versions(items, orders, ids),
        "shop.refunds": sales.refund_versions(seed, orders, items, rates, ids),
        "crm.leads": funnel.lead_versions(leads, deals, ids),
        "crm.opportunities": funnel.opportunity_versions(deals, ids),
        "crm.stage_history": funnel.stage_history(deals, ids),
        "ads.spend": marketing.spend(part.whole_seed, part.whole_ppm),
        "ads.touchpoints": marketing.touchpoints(seed, leads, customers, orders, ids),
        "survey.invitations": invitations,
        "survey.responses": responses,
    }
    return Company({name: _in_order(versions[name]) for name in TABLES})


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
