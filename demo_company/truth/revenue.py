"""Revenue and its growth.

Belongs here: sales added up per month and cut, and compared with earlier months.
Does not belong here: which orders count and what they amount to (movements), and the bookings that are shown next to
revenue (deals).
"""

from __future__ import annotations

import pandas as pd

from demo_company.truth.basics import COMPLETE_MONTHS, TruthRow, euros, label, ratio
from demo_company.truth.movements import ORDER_CUTS


def revenue(movements: pd.DataFrame) -> list[TruthRow]:
    """Sales per month and cut: net = gross - discounts - refunds, its components, margin, orders and average order."""
    sales = movements.copy()
    sales["new_customer_net"] = sales["net"].where(sales["is_first"], 0)
    sales["repeat_net"] = sales["net"].where(~sales["is_first"], 0)
    money = ["net", "gross", "discounts", "refunds", "margin", "new_customer_net", "repeat_net"]
    rows = []
    for cut in ORDER_CUTS:
        sums = sales.groupby(["month", cut])[[*money, "orders"]].sum()
        for (month, entity), total in zip(sums.index, sums.to_dict("records"), strict=True):
            where = (label(month), "revenue")
            for variant in money:
                amount = euros(total[variant])
                rows.append(TruthRow(*where, variant, cut, str(entity), amount, None, amount))
            orders = int(total["orders"])
            rows.append(TruthRow(*where, "orders", cut, str(entity), orders, None, orders))
            spent = int(total["gross"] - total["discounts"])
            average = ratio(spent, 100 * orders)
            rows.append(TruthRow(*where, "aov", cut, str(entity), euros(spent), orders, average))
    return rows


# Per variant of growth: the length of the span in months, and by how many months the other span ends earlier.
_SPANS = {"mom": (1, 1), "qoq": (3, 3), "yoy": (1, 12), "rolling_3": (3, 3), "trailing_12": (12, 12)}


def sales_growth(movements: pd.DataFrame) -> list[TruthRow]:
    """Net revenue compared with an earlier span of the same length, complete months only; NULL without a positive base.

    An entity's months begin with the first month in which it had sales or refunds. A later month without any is 0.
    """
    rows = []
    for cut in ORDER_CUTS:
        for entity, net_by_month in movements.groupby([cut, "month"])["net"].sum().groupby(level=cut):
            net_by_month = net_by_month.droplevel(cut)
            months = [month for month in COMPLETE_MONTHS if month >= net_by_month.index.min()]
            net = [int(net_by_month.get(month, 0)) for month in months]
            for variant, (span, back) in _SPANS.items():
                for place, month in enumerate(months):
                    if variant == "qoq" and month.month % 3:
                        continue
                    current, prior = _sum_of(net, place, span), _sum_of(net, place - back, span)
                    grown = None
                    if current is not None and prior is not None and prior > 0:
                        grown = ratio(current - prior, prior)
                    now, then = (None if cents is None else euros(cents) for cents in (current, prior))
                    rows.append(TruthRow(label(month), "sales_growth", variant, cut, str(entity), now, then, grown))
    return rows


def _sum_of(net: list[int], last: int, length: int) -> int | None:
    """Sum of the `length` months up to position `last`; None if the entity began later than the first of them."""
    first = last - length + 1
    return sum(net[first : last + 1]) if first >= 0 else None
