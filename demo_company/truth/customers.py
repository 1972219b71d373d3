"""What customers are worth, and whether they stay.

Belongs here: customer lifetime value and retention.
Does not belong here: what it costs to win a customer (acquisition).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from demo_company.truth.basics import (
    AS_OF,
    FIRST_MONTH,
    PERIOD,
    Period,
    TruthRow,
    euros,
    every_period,
    in_periods,
    named,
    periods,
    ratio,
    shares,
)
from demo_company.truth.movements import CUSTOMER_CUTS, first_orders

_ACTIVE_DAYS = pd.Timedelta(days=90)
_LENGTHS = {
    "week": pd.DateOffset(weeks=1),
    "month": pd.DateOffset(months=1),
    "quarter": pd.DateOffset(months=3),
    "year": pd.DateOffset(months=12),
}
_YEAR = {"week": pd.DateOffset(weeks=52)}
"""How far back the same period a year before is, if not twelve months."""


def periods_of_customers(
    movements: pd.DataFrame,
    customers: pd.DataFrame,
    as_of: pd.Timestamp = AS_OF,
    grains: Iterable[str] = tuple(_LENGTHS),
) -> pd.DataFrame:
    """One row per period and customer who has ordered by its end, which is the as-of date for a period in progress.

    Columns: grain, start, customer_id, the cuts; orders to date; was_active and is_active, whether there was an order
    in the 90 days before the period began and before it ended; net and margin, and net_before and net_a_year_before
    (of the period before and a year before, of as many days if this one is not whole), in EUR cents.
    """
    movements = movements.sort_values("day")
    days = movements["day"].to_numpy()
    ids, names = pd.factorize(movements["customer_id"])

    def total(measure: str, start: pd.Timestamp, until: pd.Timestamp) -> np.ndarray[Any, Any]:
        """The sum of a measure over [start, until), per customer."""
        counted = slice(*np.searchsorted(days, [start.to_datetime64(), until.to_datetime64()]))
        sums = np.bincount(ids[counted], movements[measure].to_numpy()[counted], minlength=len(names))
        return sums.astype("int64")

    rows = []
    of_each = customers.reindex(names).rename_axis("customer_id").reset_index()
    for period in periods(as_of):
        grain = period.grain.removesuffix("_to_date")
        if grain not in grains:
            continue
        orders = total("orders", FIRST_MONTH, period.until)
        of_period = of_each.assign(
            grain=period.grain,
            start=period.start,
            orders=orders,
            was_active=total("orders", period.start - _ACTIVE_DAYS, period.start) > 0,
            is_active=total("orders", period.until - _ACTIVE_DAYS, period.until) > 0,
            net=total("net", period.start, period.until),
            margin=total("margin", period.start, period.until),
            net_before=total("net", *_compared_with(period, _LENGTHS[grain])),
            net_a_year_before=total("net", *_compared_with(period, _YEAR.get(grain, _LENGTHS["year"]))),
        )
        rows.append(of_period[orders > 0])
    return pd.concat(rows, ignore_index=True)


def months_of_customers(movements: pd.DataFrame, customers: pd.DataFrame, as_of: pd.Timestamp = AS_OF) -> pd.DataFrame:
    """The same of months alone; their first day is `month`."""
    months = periods_of_customers(movements, customers, as_of, ["month"])
    return months[months["grain"] == "month"].rename(columns={"start": "month"})


def _compared_with(period: Period, back: pd.DateOffset) -> tuple[pd.Timestamp, pd.Timestamp]:
    """First day and end of the period so far back; if the period is not whole, of as many of that one's days."""
    start = period.start - back
    end = start + _LENGTHS[period.grain.removesuffix("_to_date")]
    is_whole = period.is_over and not period.grain.endswith("_to_date")
    return start, end if is_whole else min(end, start + (period.until - period.start))


# -------------------------------------------------------------------------------------------------------- retention


def retention(customer_periods: pd.DataFrame, as_of: pd.Timestamp = AS_OF) -> list[TruthRow]:
    """Who stays: customers still active after the period, customers who bought again, and retained revenue.

    In the first months of the history, nobody can have left yet, and logo has no value.
    nrr and grr: net revenue of customers with positive net revenue in the period before, with and without growth;
    nrr_12m and grr_12m: of those of a year before, but not by week.
    """
    counted = customer_periods.assign(customers=1)
    counted["stayed"] = counted["was_active"] & counted["is_active"]
    counted["bought_again"] = counted["orders"] >= 2
    for suffix, before in (("", "net_before"), ("_12m", "net_a_year_before")):
        counted[f"base{suffix}"] = counted[before].clip(lower=0)
        counted[f"kept{suffix}"] = counted["net"].where(counted[before] > 0, 0)
        counted[f"kept_at_most{suffix}"] = np.minimum(counted[f"kept{suffix}"], counted[f"base{suffix}"])
    counted = counted.groupby([*PERIOD, *CUSTOMER_CUTS], as_index=False).sum(numeric_only=True)
    rows = []
    for cut in CUSTOMER_CUTS:
        sums = counted.groupby([*PERIOD, cut]).sum(numeric_only=True)
        for variant, part, whole, shown in (
            ("logo", "stayed", "was_active", int),
            ("repeat_purchase", "bought_again", "customers", int),
            ("nrr", "kept", "base", euros),
            ("grr", "kept_at_most", "base", euros),
            ("nrr_12m", "kept_12m", "base_12m", euros),
            ("grr_12m", "kept_at_most_12m", "base_12m", euros),
        ):
            rows += shares("retention", variant, cut, sums[part], every_period(sums[whole], cut, as_of), shown)
    early = {named(period.grain, period.start) for period in periods(as_of) if not _is_start_known(period.start)}
    return [
        row._replace(value=None) if row.variant == "logo" and (row.grain, row.period_start) in early else row
        for row in rows
        if not (row.variant.endswith("_12m") and row.grain.startswith("week"))
    ]


def _is_start_known(start: pd.Timestamp) -> bool:
    """Whether the history covers the 90 days before a period. Until it does, no known customer can have left."""
    return bool(start - _ACTIVE_DAYS >= FIRST_MONTH)


# ----------------------------------------------------------------------------------------- what a customer is worth


def clv(
    movements: pd.DataFrame, customers: pd.DataFrame, customer_months: pd.DataFrame, as_of: pd.Timestamp = AS_OF
) -> list[TruthRow]:
    """What a customer has brought, by month or quarter of the first order, and is expected to bring, by calendar month.

    historic and margin: net revenue and margin per customer within N days of the first order; NULL until every customer
    of the month or quarter has been observed for N days. lifetime: net revenue per customer to date.
    predictive_simple: the month's margin per active customer, for as long as customers stay at the month's churn rate.
    """
    cohorts = _cohorts(movements, customers, as_of)
    lives = _lives(movements, cohorts)
    rows = []
    for cut in CUSTOMER_CUTS:
        rows += _by_cohort(cohorts, lives, cut, as_of)
        for (month, entity), (margin, churn, value) in predictions(customer_months, cut, as_of).items():
            leaving = None if churn is None else max(churn, 1 / LONGEST_LIFE_MONTHS)
            where = (*named("month", month), "clv", "predictive_simple")
            rows.append(TruthRow(*where, cut, entity, margin, leaving, value))
    return rows


_COHORT_GRAINS = ("month", "quarter")
_EXPOSURES = (30, 90, 180, 365)
_COHORT_VARIANTS = {
    "lifetime": ("net", None),
    **{f"historic_{days}d": ("net", days) for days in _EXPOSURES},
    **{f"margin_{days}d": ("margin", days) for days in _EXPOSURES},
}
"""What is added up, and for how many days from the first order on; None: to date."""


def _cohorts(movements: pd.DataFrame, customers: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """One row per customer and cohort (the month and the quarter of the first order): grain, start, the cuts."""
    first = first_orders(movements)[["customer_id", "day"]].rename(columns={"day": "first_day"})
    cohorts = in_periods(first, "first_day", as_of)
    return cohorts[cohorts["grain"].isin(_COHORT_GRAINS)].join(customers, on="customer_id")


def _lives(movements: pd.DataFrame, cohorts: pd.DataFrame) -> pd.DataFrame:
    """What cohorts brought: net and margin by grain, start, the cuts, and exposures passed since the first order."""
    lives = movements[["customer_id", "day", "net", "margin"]].merge(cohorts, on="customer_id")
    lives["passed"] = np.searchsorted(_EXPOSURES, (lives["day"] - lives["first_day"]).dt.days, side="right")
    return lives.groupby([*PERIOD, *CUSTOMER_CUTS, "passed"], as_index=False)[["net", "margin"]].sum()


def _by_cohort(cohorts: pd.DataFrame, lives: pd.DataFrame, cut: str, as_of: pd.Timestamp) -> list[TruthRow]:
    sizes = every_period(cohorts.groupby([*PERIOD, cut]).size(), cut, as_of)
    ends = {(period.grain, period.start): period.end for period in periods(as_of)}
    rows = []
    for variant, (measure, days) in _COHORT_VARIANTS.items():
        lived = lives if days is None else lives[lives["passed"] <= _EXPOSURES.index(days)]
        sums = lived.groupby([*PERIOD, cut])[measure].sum()
        for (grain, start, entity), size in zip(sizes.index, sizes.tolist(), strict=True):
            if grain in _COHORT_GRAINS:
                cents = int(sums.get((grain, start, entity), 0))
                value = ratio(cents, 100 * size) if _watched(ends[grain, start], days, as_of) else None
                where = (*named(grain, start), "clv", variant, cut, str(entity))
                rows.append(TruthRow(*where, euros(cents), size, value))
    return rows


def _watched(end: pd.Timestamp, days: int | None, as_of: pd.Timestamp) -> bool:
    """Whether customers who came on the last day before `end` have been observed for that many days; true for None."""
    if days is None:
        return True
    last_day = end - pd.Timedelta(days=1)
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


def predictions(
    customer_months: pd.DataFrame, cut: str, as_of: pd.Timestamp = AS_OF
) -> dict[tuple[pd.Timestamp, str], Prediction]:
    """Per (month, entity): margin per customer active at its end x min(1 / churn, 60); churn = 1 - logo retention."""
    complete = {period.start for period in periods(as_of) if period.grain == "month" and period.is_over}
    months = customer_months[["month", cut, "is_active", "was_active"]].copy()
    months["left"] = months["was_active"] & ~months["is_active"]
    months["margin"] = customer_months["margin"].where(months["is_active"], 0)
    sums = months.groupby(["month", cut]).sum()
    predicted = {}
    for (month, entity), total in zip(sums.index, sums.to_dict("records"), strict=True):
        margin = ratio(int(total["margin"]), 100 * int(total["is_active"]))
        churn = ratio(int(total["left"]), int(total["was_active"])) if _is_start_known(month) else None
        value = None
        if margin is not None and churn is not None and month in complete:
            value = margin * (min(1 / churn, LONGEST_LIFE_MONTHS) if churn else LONGEST_LIFE_MONTHS)
        predicted[month, str(entity)] = Prediction(margin, churn, value)
    return predicted
