"""Customers and what they buy: customers, orders, order items and refunds.

Belongs here: who becomes a customer and when, how often customers order, what an order contains, what happens to it,
and what is refunded.
Does not belong here: how customers were won (funnel, marketing), and what they think (survey).

All moments are UTC seconds; NEVER means "not (yet)". Money is in cents of the order's currency.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from demo_company import catalogue as cat
from demo_company import rhythm
from demo_company.catalogue import Products, Rates, Staff
from demo_company.clock import BULK_DAY, DAY, HOUR, LAST_DAY, LAST_MOMENT, MINUTE, NEVER, IntArray, local_day, moment_of
from demo_company.dice import Dice
from demo_company.funnel import Deals, known
from demo_company.tables import Ids, last_per_delivery, versions_frame

Flags = np.ndarray[Any, np.dtype[np.bool_]]

CHANNELS = ("web", "marketplace", "retail", "inside_sales", "partner")
_WEB, _RETAIL, _INSIDE, _PARTNER = 0, 2, 3, 4
_STATUSES = ("placed", "paid", "fulfilled", "cancelled")
_PLACED, _PAID, _FULFILLED, _CANCELLED = range(4)

# How loyal customers are: they never order again, sometimes, regularly, or all the time.
_LOYALTY_WEIGHTS = (38, 34, 21, 7)
_MEAN_GAP_DAYS = np.array([1, 62, 27, 11])
_CHURN_PER_MILLE = np.array([1_000, 135, 60, 27])

# Orders in UTC at moments when UTC and Warsaw have different dates, or when the clocks change.
_AWKWARD_MOMENTS = (
    "2024-02-29T23:30:00", "2024-03-30T23:15:00", "2024-03-31T00:59:59", "2024-03-31T01:00:00", "2024-06-30T22:10:00",
    "2024-10-26T22:05:00", "2024-10-27T00:30:00", "2024-10-27T01:30:00", "2024-12-31T23:20:00", "2025-03-29T23:59:59",
    "2025-03-30T00:30:00", "2025-09-30T22:00:00", "2025-10-25T22:00:00", "2025-10-26T00:59:59", "2025-10-31T23:00:00",
    "2025-11-10T23:30:00", "2025-11-30T22:59:59", "2025-11-30T23:00:00", "2025-12-31T23:30:00", "2026-01-09T22:59:59",
)  # fmt: skip


@dataclass
class Customers:
    """One entry per customer, in order of creation. `deal` is the won deal from which the customer came, or -1."""

    created: IntArray
    deal: IntArray
    segment: IntArray
    country: IntArray
    region: IntArray
    updated: IntArray
    channel: IntArray


@dataclass
class Orders:
    """One entry per order, in order of time. The steps are moments; `cancelled` says how a closed order ended."""

    ordered: IntArray
    customer: IntArray
    channel: IntArray
    region: IntArray
    currency: IntArray
    rep: IntArray
    paid: IntArray
    closed: IntArray
    cancelled: Flags
    deleted: IntArray


@dataclass
class Items:
    """One entry per order line, grouped by order. Money is in cents of the order's currency."""

    order: IntArray
    product: IntArray
    quantity: IntArray
    unit_price: IntArray
    discount: IntArray
    tax: IntArray
    unit_cost: IntArray

    @property
    def net(self) -> IntArray:
        """What the customer pays for the line, without tax."""
        value: IntArray = self.quantity * self.unit_price - self.discount
        return value


# --------------------------------------------------------------------------------------------------- customers


def invent_customers(seed: int, count: int, deals: Deals) -> Customers:
    """Customers from won deals, and customers who found the shop themselves. Sets `deals.customer` of the won deals."""
    dice = Dice(seed, "customers")
    won = np.flatnonzero(deals.won_by_now)
    days = rhythm.pick_days(dice, max(count - len(won), 0))
    found = np.minimum(moment_of(days, rhythm.shop_times(dice, len(days))), LAST_MOMENT - 3 * HOUR)
    signed_up = deals.closed[won] - 10 * MINUTE - dice.below(50 * MINUTE, len(won))
    created = np.concatenate([found, signed_up])
    deal = np.concatenate([np.full(len(found), -1), won])
    order = np.argsort(created, kind="stable")
    created, deal = created[order], deal[order]
    size = len(created)
    from_deal = deal >= 0
    deals.customer[deal[from_deal]] = np.flatnonzero(from_deal)
    segment = np.where(from_deal, deals.segment[deal], dice.weighted((80, 17, 3), size))
    country = np.where(from_deal, deals.country[deal], dice.weighted(cat.COUNTRY_WEIGHTS, size))
    renamed = known(np.where(dice.chance(60, size), created + DAY + dice.waiting(150 * DAY, size), NEVER))
    channel = np.where(from_deal, dice.weighted((14, 0, 0, 66, 20), size), dice.weighted((62, 23, 15), size))
    return Customers(created, deal, segment, country, dice.weighted((30, 22, 26, 22), size), renamed, channel)


def customer_versions(seed: int, customers: Customers, ids: Ids) -> pd.DataFrame:
    """shop.customers: a version at creation, and another if the last name changes."""
    dice = Dice(seed, "names")
    size = len(customers.created)
    first, initial, later = (dice.below(n, size) for n in (len(cat.FIRST_NAMES), len(cat.INITIALS), 7))
    rows = np.concatenate([np.arange(size), np.flatnonzero(customers.updated < NEVER)])
    moments = np.concatenate([customers.created, customers.updated[customers.updated < NEVER]])
    kept = last_per_delivery(rows, moments)
    row, at = rows[kept], moments[kept]
    letter = np.where(customers.updated[row] <= at, (initial[row] + 1 + later[row]) % len(cat.INITIALS), initial[row])
    raw = {
        "customer_id": ids.customers(row),
        "email": ids.emails("c", row),
        "full_name": [
            f"{cat.FIRST_NAMES[f]} {cat.INITIALS[i]}."
            for f, i in zip(first[row].tolist(), letter.tolist(), strict=True)
        ],
        "segment": np.array(cat.SEGMENTS, dtype=object)[customers.segment[row]],
        "country": np.array(cat.COUNTRIES, dtype=object)[customers.country[row]],
        "region": np.array(cat.REGIONS, dtype=object)[customers.region[row]],
        "created_at": customers.created[row],
        "updated_at": at,
    }
    return versions_frame("shop.customers", raw, local_day(at))


# ------------------------------------------------------------------------------------------------------ orders


def invent_orders(seed: int, customers: Customers, deals: Deals, staff: Staff) -> Orders:
    """First orders, repeat orders, and a few extra orders so that every delivery day and awkward hour has one."""
    dice = Dice(seed, "orders")
    first_customer, first_at = _first_orders(dice, customers)
    repeat_customer, repeat_at = _repeat_orders(dice, first_customer, first_at)
    at = np.concatenate([first_at, repeat_at])
    extra_at = _extra_moments(at)
    # A customer who orders at an extra moment must already have been one.
    earlier = np.searchsorted(customers.created, extra_at - HOUR)
    at = np.concatenate([at, extra_at])
    customer = np.concatenate([first_customer, repeat_customer, dice.below_each(np.maximum(earlier, 1))])
    order = np.lexsort((customer, at))
    return _detail_orders(dice, at[order], customer[order], customers, deals, staff)


def _first_orders(dice: Dice, customers: Customers) -> tuple[IntArray, IntArray]:
    size = len(customers.created)
    soon = np.where(dice.chance(850, size), dice.waiting(HOUR, size), dice.waiting(10 * DAY, size))
    after_signing = 2 * HOUR + dice.waiting(3 * DAY, size)
    at = customers.created + 2 * MINUTE + np.where(customers.deal >= 0, after_signing, soon)
    buys = dice.chance(960, size) & (at <= LAST_MOMENT)
    return np.flatnonzero(buys), at[buys]


def _repeat_orders(dice: Dice, customer: IntArray, previous: IntArray) -> tuple[IntArray, IntArray]:
    """Further orders, round by round: wait, perhaps buy (less likely in low season), perhaps leave for good."""
    loyalty = dice.weighted(_LOYALTY_WEIGHTS, len(customer))
    day = local_day(previous)
    customers, moments = [], []
    while len(customer):
        stays = ~dice.chance(_CHURN_PER_MILLE[loyalty], len(customer))
        day = day + 1 + dice.waiting(_MEAN_GAP_DAYS[loyalty], len(customer))
        stays &= day <= LAST_DAY
        customer, loyalty, day = customer[stays], loyalty[stays], day[stays]
        buys = dice.chance(rhythm.demand(day), len(day))
        at = moment_of(day, rhythm.shop_times(dice, len(day)))
        customers.append(customer[buys])
        moments.append(at[buys])
    return np.concatenate(customers), np.concatenate(moments)


def _extra_moments(at: IntArray) -> IntArray:
    awkward = np.array([np.datetime64(datetime.fromisoformat(text), "s").astype(np.int64) for text in _AWKWARD_MOMENTS])
    daily = np.arange(BULK_DAY + 1, LAST_DAY + 1)
    quiet = np.setdiff1d(daily, local_day(at))
    return np.concatenate([awkward, moment_of(quiet, np.full(len(quiet), 12 * HOUR))])


def _detail_orders(
    dice: Dice, at: IntArray, customer: IntArray, customers: Customers, deals: Deals, staff: Staff
) -> Orders:
    size, days = len(at), local_day(at)
    usual = customers.channel[customer]
    other = np.where(customers.deal[customer] >= 0, dice.weighted((40, 0, 0, 45, 15), size), dice.below(3, size))
    channel = np.where(dice.chance(800, size), usual, other)
    sold_by_rep = channel >= _INSIDE
    deal = customers.deal[customer]
    owner = np.where(deal >= 0, deals.owner[deal], -1)
    owner_here = (owner >= 0) & staff.still_here(np.maximum(owner, 0), days)
    rep = np.where(owner_here, owner, staff.account_executives(dice, days))
    region = np.where(dice.chance(920, size), customers.region[customer], dice.below(len(cat.REGIONS), size))
    cancelled = dice.chance(30, size)
    over_the_counter = channel == _RETAIL
    paid = at + np.where(over_the_counter, MINUTE, 5 * MINUTE + dice.waiting(10 * HOUR, size))
    shipping = np.where(over_the_counter, MINUTE, 8 * HOUR + dice.waiting(2 * DAY, size))
    cooling_off = 30 * MINUTE + dice.waiting(4 * DAY, size)
    closed = paid + np.where(cancelled, cooling_off, shipping)
    mistake = dice.chance(3, size) | (np.arange(size) % 997 == 60)
    deleted = np.where(mistake, at + 3 * HOUR + dice.waiting(4 * DAY, size), NEVER)
    return Orders(
        ordered=at,
        customer=customer,
        channel=channel,
        region=region,
        currency=cat.CURRENCY_OF_COUNTRY[customers.country[customer]],
        rep=np.where(sold_by_rep, rep, -1),
        paid=known(paid),
        closed=known(closed),
        cancelled=cancelled,
        deleted=known(deleted),
    )


def order_versions(orders: Orders, ids: Ids) -> pd.DataFrame:
    """shop.orders: a version for every step of an order. Nothing follows a deletion."""
    size = len(orders.ordered)
    rows = np.tile(np.arange(size), 4)
    moments = np.concatenate([orders.ordered, orders.paid, orders.closed, orders.deleted])
    happened = moments <= np.minimum(orders.deleted[rows], LAST_MOMENT)
    rows, moments = rows[happened], moments[happened]
    kept = last_per_delivery(rows, moments)
    row, at = rows[kept], moments[kept]
    end = np.where(orders.cancelled[row], _CANCELLED, _FULFILLED)
    status = np.where(orders.closed[row] <= at, end, np.where(orders.paid[row] <= at, _PAID, _PLACED))
    raw = {
        "order_id": ids.orders(row),
        "customer_id": ids.customers(orders.customer[row]),
        "ordered_at": orders.ordered[row],
        "status": np.array(_STATUSES, dtype=object)[status],
        "currency": np.array(cat.CURRENCIES, dtype=object)[orders.currency[row]],
        "channel": np.array(CHANNELS, dtype=object)[orders.channel[row]],
        "region": np.array(cat.REGIONS, dtype=object)[orders.region[row]],
        "sales_rep_id": cat.rep_ids(orders.rep[row]),
        "updated_at": at,
        "is_deleted": orders.deleted[row] <= at,
    }
    return versions_frame("shop.orders", raw, local_day(at))


# ------------------------------------------------------------------------------------------------------- items


def invent_items(seed: int, orders: Orders, customers: Customers, products: Products, rates: Rates) -> Items:
    """One to five lines per order. Bigger customers buy more of each product."""
    dice = Dice(seed, "items")
    lines = 1 + dice.weighted((30, 32, 22, 11, 5), len(orders.ordered))
    order = np.repeat(np.arange(len(lines)), lines)
    size, days = len(order), local_day(orders.ordered)[order]
    product = products.choose(dice, days)
    buyer = orders.customer[order]
    most = np.array([2, 6, 20])[customers.segment[buyer]]
    quantity = 1 + np.minimum(dice.below_each(most), dice.below_each(most + 1))
    currency = orders.currency[order]
    list_price = products.list_price[product] * dice.between(92, 108, size) // 100
    unit_price = rates.from_euro(list_price, currency, days)
    gross = quantity * unit_price
    percent_off = np.where(dice.chance(250, size), dice.between(3, 20, size), 0)
    discount = gross * percent_off // 100
    vat = cat.VAT_PERCENT_OF_COUNTRY[customers.country[buyer]]
    tax = ((gross - discount) * vat + 50) // 100
    unit_cost = rates.from_euro(products.unit_cost[product], currency, days)
    return Items(order, product, quantity, unit_price, discount, tax, unit_cost)


def item_versions(items: Items, orders: Orders, ids: Ids) -> pd.DataFrame:
    """shop.order_items: delivered once, together with their order."""
    raw = {
        "order_item_id": ids.items(np.arange(len(items.order))),
        "order_id": ids.orders(items.order),
        "product_id": cat.product_ids(items.product),
        "quantity": items.quantity,
        "unit_price": items.unit_price,
        "discount_amount": items.discount,
        "tax_amount": items.tax,
        "unit_cost": items.unit_cost,
    }
    return versions_frame("shop.order_items", raw, local_day(orders.ordered)[items.order])


# ----------------------------------------------------------------------------------------------------- refunds

_REASONS = ("damaged", "not_as_described", "changed_mind", "late_delivery", "goodwill")


def refund_versions(seed: int, orders: Orders, items: Items, rates: Rates, ids: Ids) -> pd.DataFrame:
    """shop.refunds: mostly part or all of one line, sometimes a whole order; delivered once."""
    dice = Dice(seed, "refunds")
    size = len(orders.ordered)
    cancelled = orders.cancelled & (orders.closed < NEVER)
    refunded = dice.chance(np.where(cancelled, 300, 55), size)
    order = np.flatnonzero(refunded)
    whole = dice.chance(25, len(order)) | (np.arange(len(order)) % 499 == 20)
    start = np.where(cancelled[order], orders.closed[order], orders.ordered[order] + DAY)
    at = start + HOUR + np.minimum(dice.waiting(22 * DAY, len(order)), 150 * DAY)
    first_item = np.searchsorted(items.order, order)
    lines = np.searchsorted(items.order, order, side="right") - first_item
    item = first_item + dice.below_each(lines)
    share = np.array([100, 100, 100, 50, 25])[dice.below(5, len(order))]
    order_net = np.bincount(items.order, weights=items.net, minlength=size).astype(np.int64)
    amount = np.where(whole, order_net[order], items.net[item] * share // 100)
    currency = orders.currency[order]
    in_euro = dice.chance(35, len(order)) & ~whole
    euros = amount * rates.on(currency, local_day(orders.ordered[order])) // cat.MICROS
    amount, currency = np.where(in_euro, euros, amount), np.where(in_euro, 0, currency)
    reason = dice.weighted((26, 18, 34, 14, 8), len(order))
    by_time = np.lexsort((order, at))
    by_time = by_time[at[by_time] <= LAST_MOMENT]
    raw = {
        "refund_id": ids.refunds(np.arange(len(by_time))),
        "order_id": ids.orders(order[by_time]),
        "order_item_id": ids.items(np.where(whole, -1, item)[by_time]),
        "refunded_at": at[by_time],
        "amount": amount[by_time],
        "currency": np.array(cat.CURRENCIES, dtype=object)[currency[by_time]],
        "reason": np.array(_REASONS, dtype=object)[reason[by_time]],
    }
    return versions_frame("shop.refunds", raw, local_day(at[by_time]))
