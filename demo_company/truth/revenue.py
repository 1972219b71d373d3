"""Revenue and its growth.

Belongs here: sales added up per period and cut, and compared with earlier periods.
Does not belong here: which orders count and what they amount to (movements), and the bookings that are shown next to
revenue (deals).
"""

from __future__ import annotations

import pandas as pd

from demo_company.truth.basics import AS_OF, PERIOD, TruthRow, euros, in_periods, named, periods, ratio
from demo_company.truth.movements import SALES_CUTS


def revenue(movements: pd.DataFrame, as_of: pd.Timestamp = AS_OF) -> list[TruthRow]:
    """Sales per period and cut: net = gross - discounts - refunds, its components, margin, orders and customers.

    A customer counts once in each period and entity with an order. Orders without a customer count for nobody. An order
    counts in every category that it has an item of, so those have no average order.
    """
    sales = movements.copy()
    sales["new_customer_net"] = sales["net"].where(sales["is_first"], 0)
    sales["repeat_net"] = sales["net"].where(~sales["is_first"], 0)
    money = ["net", "gross", "discounts", "refunds", "margin", "new_customer_net", "repeat_net"]
    sales = in_periods(
        sales[["day", "order_id", "customer_id", *SALES_CUTS, *money, "orders", "is_item"]], "day", as_of
    )
    rows = []
    for cut in SALES_CUTS:
        sums = sales.groupby([*PERIOD, cut])[money].sum()
        placed = sales[sales["is_item" if cut == "category" else "orders"] == 1]
        placed = placed.drop_duplicates([*PERIOD, cut, "order_id"])
        counts = placed.groupby([*PERIOD, cut])["customer_id"].agg(["size", "count", "nunique"])
        sums[["orders", "named_orders", "customers"]] = counts.reindex(sums.index, fill_value=0)
        for (grain, start, entity), total in zip(sums.index, sums.to_dict("records"), strict=True):
            where = (*named(grain, start), "revenue")
            for variant in money:
                amount = euros(total[variant])
                rows.append(TruthRow(*where, variant, cut, str(entity), amount, None, amount))
            orders = int(total["orders"])
            rows.append(TruthRow(*where, "orders", cut, str(entity), orders, None, orders))
            if cut != "category":
                spent = int(total["gross"] - total["discounts"])
                average = ratio(spent, 100 * orders)
                rows.append(TruthRow(*where, "aov", cut, str(entity), euros(spent), orders, average))
            customers, named_orders = int(total["customers"]), int(total["named_orders"])
            rows.append(TruthRow(*where, "customers", cut, str(entity), customers, None, customers))
            each = ratio(named_orders, customers)
            rows.append(TruthRow(*where, "orders_per_customer", cut, str(entity), named_orders, customers, each))
    return rows


# Per grain and variant of growth: how many periods a span has, and by how many periods the other span ends earlier.
_SPANS = {
    "week": {"wow": (1, 1), "yoy": (1, 52)},
    "month": {"mom": (1, 1), "qoq": (3, 3), "yoy": (1, 12), "rolling_3": (3, 3), "trailing_12": (12, 12)},
    "quarter": {"qoq": (1, 1), "yoy": (1, 4)},
    "year": {"yoy": (1, 1)},
}


def sales_growth(movements: pd.DataFrame, as_of: pd.Timestamp = AS_OF) -> list[TruthRow]:
    """Net revenue compared with an earlier span of the same length, complete ones only; NULL without a positive base.

    An entity's periods begin with the first one in which it had sales or refunds. A later one without any is 0.
    """
    sales = in_periods(movements[["day", *SALES_CUTS, "net"]], "day", as_of)
    over = [period for period in periods(as_of) if period.is_over]
    rows = []
    for cut in SALES_CUTS:
        sums = sales.groupby(["grain", cut, "start"])["net"].sum()
        for grain, entity in dict.fromkeys((grain, entity) for grain, entity, _ in sums.index):
            net_of = sums.loc[grain, entity]
            starts = [period.start for period in over if period.grain == grain and period.start >= net_of.index.min()]
            net = [int(net_of.get(start, 0)) for start in starts]
            for variant, (span, back) in _SPANS.get(grain, {}).items():
                for place, start in enumerate(starts):
                    if (grain, variant) == ("month", "qoq") and start.month % 3:
                        continue
                    current, prior = _sum_of(net, place, span), _sum_of(net, place - back, span)
                    grown = None
                    if current is not None and prior is not None and prior > 0:
                        grown = ratio(current - prior, prior)
                    now, then = (None if cents is None else euros(cents) for cents in (current, prior))
                    where = (*named(grain, start), "sales_growth")
                    rows.append(TruthRow(*where, variant, cut, str(entity), now, then, grown))
    return rows


def _sum_of(net: list[int], last: int, length: int) -> int | None:
    """Sum of the `length` periods up to position `last`; None if the entity began later than the first of them."""
    first = last - length + 1
    return sum(net[first : last + 1]) if first >= 0 else None
