"""What customers are worth, and whether they stay.

Belongs here: customer lifetime value and retention.
Does not belong here: what it costs to win a customer (acquisition).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from demo_company.truth.basics import (
    AS_OF,
    COMPLETE_MONTHS,
    FIRST_MONTH,
    MONTHS,
    TruthRow,
    euros,
    every_month,
    label,
    month_of,
    next_month,
    ratio,
    shares,
)
from demo_company.truth.movements import CUSTOMER_CUTS, first_orders

_ACTIVE_DAYS = pd.Timedelta(days=90)


def months_of_customers(movements: pd.DataFrame, customers: pd.DataFrame) -> pd.DataFrame:
    """One row per month and customer who has ordered by the end of the month.

    Columns: month, customer_id, the cuts; orders to date; was_active and is_active, whether there was an order in the
    90 days before the month began and before it ended; net_before (of the month before), net and margin, in EUR cents.
    """
    orders = movements.loc[movements["orders"] == 1, ["day", "customer_id"]]
    calendar = [MONTHS[0] - pd.offsets.MonthBegin(), *MONTHS]
    net, margin = (
        movements.pivot_table(measure, "customer_id", "month", aggfunc="sum", fill_value=0).reindex(
            columns=calendar, fill_value=0
        )
        for measure in ("net", "margin")
    )
    months = []
    for month in MONTHS:
        end = next_month(month)
        rows = orders.loc[orders["day"] < end, "customer_id"].value_counts().rename("orders").to_frame()
        rows["month"] = month
        rows["was_active"] = rows.index.isin(_active_before(orders, month))
        rows["is_active"] = rows.index.isin(_active_before(orders, end))
        rows["net_before"] = net[month - pd.offsets.MonthBegin()]
        rows["net"], rows["margin"] = net[month], margin[month]
        months.append(rows)
    return pd.concat(months).join(customers).reset_index()


def _active_before(orders: pd.DataFrame, moment: pd.Timestamp) -> pd.Series[Any]:
    """Customers who ordered in the 90 days before a day."""
    return orders.loc[(orders["day"] >= moment - _ACTIVE_DAYS) & (orders["day"] < moment), "customer_id"]


# -------------------------------------------------------------------------------------------------------- retention


def retention(customer_months: pd.DataFrame) -> list[TruthRow]:
    """Who stays: customers still active after the month, customers who bought again, and retained revenue.

    In the first months of the history, nobody can have left yet, and logo has no value.
    nrr and grr: current net revenue of customers with positive net revenue last month, with and without growth.
    """
    months = customer_months.assign(customers=1)
    months["stayed"] = months["was_active"] & months["is_active"]
    months["bought_again"] = months["orders"] >= 2
    months["base"] = months["net_before"].clip(lower=0)
    months["kept"] = months["net"].where(months["base"] > 0, 0)
    months["kept_at_most"] = np.minimum(months["kept"], months["base"])
    rows = []
    early = {label(month) for month in MONTHS if not _is_start_known(month)}
    for cut in CUSTOMER_CUTS:
        sums = months.groupby(["month", cut]).sum(numeric_only=True)
        for variant, part, whole, shown in (
            ("logo", "stayed", "was_active", int),
            ("repeat_purchase", "bought_again", "customers", int),
            ("nrr", "kept", "base", euros),
            ("grr", "kept_at_most", "base", euros),
        ):
            rows += shares("retention", variant, cut, sums[part], every_month(sums[whole], cut), shown)
    return [row._replace(value=None) if row.variant == "logo" and row.period_month in early else row for row in rows]


def _is_start_known(month: pd.Timestamp) -> bool:
    """Whether the history covers the 90 days before the month. Until it does, no known customer can have left."""
    return bool(month - _ACTIVE_DAYS >= FIRST_MONTH)


# ----------------------------------------------------------------------------------------- what a customer is worth


def clv(
    movements: pd.DataFrame, customers: pd.DataFrame, customer_months: pd.DataFrame, as_of: pd.Timestamp = AS_OF
) -> list[TruthRow]:
    """What a customer has brought, by month of the first order, and what one is expected to bring, by calendar month.

    historic and margin: net revenue and margin per customer within N days of the first order; NULL until every customer
    of the month has been observed for N days. lifetime: net revenue per customer to date.
    predictive_simple: the month's margin per active customer, for as long as customers stay at the month's churn rate.
    """
    lives = _lives(movements, customers)
    rows = []
    for cut in CUSTOMER_CUTS:
        rows += _by_cohort(lives, cut, as_of)
        for (month, entity), (margin, churn, value) in predictions(customer_months, cut).items():
            leaving = None if churn is None else max(churn, 1 / LONGEST_LIFE_MONTHS)
            rows.append(TruthRow(label(month), "clv", "predictive_simple", cut, entity, margin, leaving, value))
    return rows


_EXPOSURES = (30, 90, 180, 365)
_COHORT_VARIANTS = {
    "lifetime": ("net", None),
    **{f"historic_{days}d": ("net", days) for days in _EXPOSURES},
    **{f"margin_{days}d": ("margin", days) for days in _EXPOSURES},
}
"""What is added up, and for how many days from the first order on; None: to date."""


def _lives(movements: pd.DataFrame, customers: pd.DataFrame) -> pd.DataFrame:
    """Movements with the customer's cuts, cohort (month of the first order) and age (days since the first order)."""
    lives = movements[["customer_id", "day", "net", "margin"]].join(customers, on="customer_id")
    first_day = lives["customer_id"].map(first_orders(movements).set_index("customer_id")["day"])
    return lives.assign(cohort=month_of(first_day), age=(lives["day"] - first_day).dt.days)


def _by_cohort(lives: pd.DataFrame, cut: str, as_of: pd.Timestamp) -> list[TruthRow]:
    sizes = every_month(lives.groupby(["cohort", cut])["customer_id"].nunique(), cut)
    rows = []
    for variant, (measure, days) in _COHORT_VARIANTS.items():
        lived = lives if days is None else lives[lives["age"] < days]
        sums = lived.groupby(["cohort", cut])[measure].sum()
        for (month, entity), size in zip(sizes.index, sizes.tolist(), strict=True):
            cents = int(sums.get((month, entity), 0))
            value = ratio(cents, 100 * size) if _watched(month, days, as_of) else None
            rows.append(TruthRow(label(month), "clv", variant, cut, str(entity), euros(cents), size, value))
    return rows


def _watched(cohort: pd.Timestamp, days: int | None, as_of: pd.Timestamp) -> bool:
    """Whether customers who came on the last day of the month have been observed for that many days; true for None."""
    if days is None:
        return True
    last_day = next_month(cohort) - pd.Timedelta(days=1)
    return bool(last_day + pd.Timedelta(days=days) <= as_of + pd.Timedelta(days=1))


LONGEST_LIFE_MONTHS = 60
"""However few leave, nobody is assumed to stay longer."""


class Prediction(NamedTuple):
    """What an active customer brought in a month, the share of customers who left, and the resulting value.

    EUR, ratio, EUR. Each is None if there are no customers to compute it from, churn and value also in the first months
    of the history, and the value also in an unfinished month.
    """

    margin: float | None
    churn: float | None
    value: float | None


def predictions(customer_months: pd.DataFrame, cut: str) -> dict[tuple[pd.Timestamp, str], Prediction]:
    """Per (month, entity): margin per customer active at its end x min(1 / churn, 60); churn = 1 - logo retention."""
    months = customer_months[["month", cut, "is_active", "was_active"]].copy()
    months["left"] = months["was_active"] & ~months["is_active"]
    months["margin"] = customer_months["margin"].where(months["is_active"], 0)
    sums = months.groupby(["month", cut]).sum()
    predicted = {}
    for (month, entity), total in zip(sums.index, sums.to_dict("records"), strict=True):
        margin = ratio(int(total["margin"]), 100 * int(total["is_active"]))
        churn = ratio(int(total["left"]), int(total["was_active"])) if _is_start_known(month) else None
        value = None
        if margin is not None and churn is not None and month in COMPLETE_MONTHS:
            value = margin * (min(1 / churn, LONGEST_LIFE_MONTHS) if churn else LONGEST_LIFE_MONTHS)
        predicted[month, str(entity)] = Prediction(margin, churn, value)
    return predicted
