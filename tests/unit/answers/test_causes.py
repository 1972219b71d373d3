"""Causes of a changed value: summed up, the largest first, in words."""

from datetime import date
from decimal import Decimal

import pytest

from pipelines.answers.causes import Cause, causes_of, kinds_of, main_cause

DAY, NEXT_DAY = date(2025, 3, 1), date(2025, 3, 2)
LATE = ("net_amount", "late", "shop", "order_items", DAY, 2, Decimal(30))
DELETED = ("net_amount", "deleted", "shop", "orders", DAY, 1, Decimal(-70))


def test_the_largest_comes_first_whatever_its_sign() -> None:
    assert [cause.cause for cause in causes_of([LATE, DELETED])] == ["deleted", "late"]


def test_a_delivery_is_as_large_as_its_share_of_each_part() -> None:
    """Half a million of spend is not more than the only customer that came late."""
    spend = ("spend_amount", "corrected", "ads", "spend", DAY, 9, Decimal(300_000))
    other_spend = ("spend_amount", "late", "ads", "spend", DAY, 9, Decimal(200_000))
    customer = ("new_customers", "late", "shop", "orders", DAY, 1, Decimal(1))
    assert [cause.table for cause in causes_of([spend, other_spend, customer])] == ["orders", "spend", "spend"]


def test_a_median_has_causes_by_rows() -> None:
    few, many = (
        ("median_days", "late", "crm", "leads", DAY, 1, None),
        ("median_days", "deleted", "crm", "leads", DAY, 5, None),
    )
    assert [cause.rows for cause in causes_of([few, many])] == [5, 1]


def test_restatements_of_the_same_delivery_are_summed_up() -> None:
    assert causes_of([LATE, LATE]) == (Cause("net_amount", "late", "shop", "order_items", DAY, 4, Decimal(60)),)


def test_kinds_and_main_cause_name_each_delivered_table_once() -> None:
    causes = causes_of([LATE, (*LATE[:4], NEXT_DAY, 1, Decimal(10)), DELETED])
    assert kinds_of(causes) == ("deleted", "late")
    assert main_cause(causes) == "deleted rows of shop.orders and 1 more cause"
    assert main_cause(causes_of([LATE])) == "late rows of shop.order_items"
    assert main_cause(()) == ""


@pytest.mark.parametrize(
    ("cause", "table", "text"),
    [
        ("refund", "refunds", "refunds in shop.refunds"),
        ("exchange rate", "fx_rates", "exchange rates in shop.fx_rates"),
        ("exchange rate", None, "exchange rates"),
        ("related rows", "customers", "changes in shop.customers"),
        ("related rows", None, "changes in related rows"),
        ("definition", None, "another definition"),
    ],
)
def test_a_cause_in_words(cause: str, table: str | None, text: str) -> None:
    assert main_cause([Cause("net_amount", cause, "shop", table, DAY, 1, Decimal(1))]) == text


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        (LATE, "late: 2 rows of shop.order_items, delivered on 2025-03-01, net_amount +30"),
        (DELETED, "deleted: 1 row of shop.orders, delivered on 2025-03-01, net_amount -70"),
        (
            ("median_days", "corrected", "crm", "leads", DAY, 1, None),
            "corrected: 1 row of crm.leads, delivered on 2025-03-01",
        ),
        ((None, "definition", None, None, None, None, None), "definition"),
    ],
)
def test_a_cause_in_full(cause: tuple[object, ...], text: str) -> None:
    assert Cause(*cause).in_full == text  # type: ignore[arg-type]
