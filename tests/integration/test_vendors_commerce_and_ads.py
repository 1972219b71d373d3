"""Exports of Shopify, Stripe, Google Ads and Meta Ads in their own layouts, through to their common KPIs.

The samples contain the known peculiarities of each of these exports. The expected values are computed by hand.
"""

import hashlib
import shutil
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipelines.ingest.landing import skipped_lines
from pipelines.sources import SHIPPED_DIR, load_sources
from tests.conftest import Installation
from tests.integration.conftest import failed_staging_checks

HERE = Path(__file__).parent / "vendors"
VENDORS = ("shopify", "stripe", "google_ads", "meta_ads")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Three delivery days of all four vendors, landed and built."""
    folder = tmp_path_factory.mktemp("commerce_and_ads")
    shutil.copytree(HERE / "commerce_and_ads", folder, dirs_exist_ok=True)
    for vendor in VENDORS:
        shutil.copytree(HERE / vendor, folder / "landing" / vendor)
    installation = Installation(folder, folder / "kpi.yml")
    installation.build(models="staging +kpi_revenue +kpi_cac")
    return installation


def rows(shop: Installation, query: str) -> list[tuple[Any, ...]]:
    """The result of `query` on the warehouse."""
    with shop.warehouse() as connection:
        return connection.execute(query).fetchall()


def key(text: str) -> str:
    """The replacement for an e-mail address or a name."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def money(*amounts: str) -> tuple[Decimal, ...]:
    """Amounts as exact numbers."""
    return tuple(map(Decimal, amounts))


def test_an_orders_columns_stand_on_its_first_line_and_hold_for_all(shop: Installation) -> None:
    orders = rows(
        shop,
        "select order_id, ordered_at, status, currency_code, channel, region, is_deleted, _delivered_on "
        "from staging.stg_shopify__orders order by 1",
    )
    first, second, third = date(2025, 2, 1), date(2025, 2, 3), date(2025, 2, 5)
    assert orders == [
        ("#1001", datetime(2025, 2, 1, 4, 30), "paid", "EUR", "web", "PL", False, first),
        ("#1002", datetime(2025, 2, 1, 11), "paid", "EUR", "pos", "PL", False, first),
        ("#1003", datetime(2025, 2, 1, 14), "cancelled", "USD", "web", "US", False, first),
        ("#1004", datetime(2025, 2, 1, 15), "refunded", "USD", "web", "US", False, third),
        ("#1005", datetime(2025, 2, 1, 15), "paid", "EUR", "web", "PL", True, first),  # paid through the test gateway
        ("#1006", datetime(2025, 2, 1, 16), "partially_refunded", "EUR", "web", "PL", False, first),
        ("#1007", datetime(2025, 2, 1, 17), "paid", "EUR", "web", "PL", False, second),
        ("#1008", datetime(2025, 2, 1, 18), "paid", "EUR", "web", "PL", False, first),  # unreadable on the second day
    ]


def test_lines_add_up_to_the_subtotal_without_tax(shop: Installation) -> None:
    lines = rows(
        shop,
        "select order_item_id, product_id, quantity, unit_price, discount_amount, tax_amount "
        "from staging.stg_shopify__order_items where order_id in ('#1001', '#1002', '#1007') order by 1",
    )
    assert lines == [
        # Ten off the order: 10 x 32/67, then 10 x 52/67 minus that, and the rest.
        ("#1001/1", "FERN", 2, *money("16", "4.78", "1.29")),
        ("#1001/2", "TOTE", 1, *money("20", "2.98", "0.81")),
        ("#1001/3", "Speckled mug", 1, *money("15", "2.24", "0.61")),
        # Prices include 23 % tax: 123.00 becomes 100.00, and 3 x 8.20 minus 2.46 becomes 18.00.
        ("#1002/1", "KIT", 1, *money("100", "0", "23")),
        ("#1002/2", "SEED", 3, *money("6.6667", "2", "4.14")),
        # The code took off the shipping, and the second line was taken off the order.
        ("#1007/1", "SCARF", 1, *money("18", "0", "0")),
    ]


def test_what_is_given_back_counts_when_it_was_first_seen(shop: Installation) -> None:
    refunds = rows(
        shop,
        "select refund_id, refunded_at, amount, currency_code from staging.stg_shopify__refunds "
        "union all select refund_id, refunded_at, amount, currency_code from staging.stg_stripe__refunds order by 1",
    )
    assert refunds == [
        ("#1003/2025-02-01", datetime(2025, 2, 1, 15), Decimal("50"), "USD"),  # on the day of the cancellation
        # 25.00 of 50.00, of which 40.00 are for products; midnight in Warsaw on the day of its delivery.
        ("#1004/2025-02-03", datetime(2025, 2, 2, 23), Decimal("20"), "USD"),
        ("#1004/2025-02-05", datetime(2025, 2, 4, 23), Decimal("20"), "USD"),
        ("#1006/2025-02-01", datetime(2025, 2, 1, 16), Decimal("12"), "EUR"),  # on the order's day: the date is unknown
        ("ch_3/2025-02-03", datetime(2025, 2, 2, 23), Decimal("80"), "USD"),
        ("ch_6/2025-02-05", datetime(2025, 2, 5, 8), Decimal("9.99"), "EUR"),  # on the stated day
        ("ch_old/2025-02-01", datetime(2025, 1, 15, 7, 8), Decimal("5"), "EUR"),  # on the day of the charge
    ]


def test_charges_that_took_money_are_orders_whatever_the_header(shop: Installation) -> None:
    orders = rows(
        shop,
        "select order_id, customer_id, ordered_at, status, currency_code, total_amount, is_deleted "
        "from staging.stg_stripe__orders order by 1",
    )
    assert orders == [
        ("ch_1", "cus_Ada", datetime(2025, 2, 1, 10), "paid", "EUR", Decimal("100"), False),
        ("ch_3", f"stripe:{key('dee@example.com')}", datetime(2025, 2, 1, 11), "refunded", "USD", Decimal("80"), False),
        ("ch_4", f"stripe:{key('test@example.com')}", datetime(2025, 2, 1, 12), "paid", "EUR", Decimal("999"), True),
        ("ch_6", "cus_Ada", datetime(2025, 2, 4, 9), "paid", "EUR", Decimal("19.99"), False),
        ("ch_old", "cus_Hal", datetime(2025, 1, 15, 7, 8), "paid", "EUR", Decimal("50"), False),
    ]


def test_attempts_to_pay_are_no_charges_and_break_nothing(shop: Installation) -> None:
    assert rows(
        shop, "select id, _row_number from staging.base_stripe__payments where _delivered_on = '2025-02-05'"
    ) == [("ch_6", 2)]
    [stripe] = load_sources(["stripe"], SHIPPED_DIR)
    assert skipped_lines(shop.data_dir / "raw", [stripe], [date(2025, 2, 5)]) == [
        "stripe.payments: 2 rows are no records and were skipped (skip_rows)."
    ]


def test_a_customer_of_both_is_one_person(shop: Installation) -> None:
    assert rows(
        shop,
        "select customer_id, person_id from intermediate.int_customer_identities "
        "where is_account and person_id = "
        "(select person_id from intermediate.int_customer_identities where customer_id = 'cus_Ada') order by 1",
    ) == [
        ("cus_Ada", f"shopify:{key('ada@example.com')}"),
        (f"shopify:{key('ada@example.com')}", f"shopify:{key('ada@example.com')}"),
    ]
    # A customer without an e-mail address is identified by the billing name.
    assert rows(
        shop,
        "select email_key, country, created_at from staging.stg_shopify__customers "
        f"where customer_id = 'shopify:{key('dot nobody')}'",
    ) == [(None, "US", datetime(2025, 2, 1, 15))]


def test_spend_is_exact_and_restated(shop: Installation) -> None:
    spend = rows(
        shop,
        "select spend_date, campaign_id, impressions, clicks, spend, currency_code from intermediate.int_ad_spend "
        "order by 2, 1",
    )
    meta = "120200000000000001"
    assert spend == [
        (date(2025, 1, 31), "111", 100, 10, Decimal("1.234567"), "EUR"),
        (date(2025, 2, 1), "111", 84, 9, Decimal("1.5"), "EUR"),
        (date(2025, 2, 3), "111", 200, 20, Decimal("3.25"), "EUR"),
        (date(2025, 2, 1), meta, 950, 31, Decimal("12.5"), "USD"),
        (date(2025, 2, 3), meta, 150, 0, Decimal("4"), "USD"),
        (date(2025, 2, 1), "222", 5, 0, Decimal("0"), "EUR"),
    ]
    assert rows(shop, "select campaign_id, channel, platform, name from intermediate.int_campaigns order by 1") == [
        ("111", "paid_search", "google_ads", "Prints (brand)"),
        (meta, "paid_social", "meta_ads", "Spring collection"),
        ("222", "performance_max", "google_ads", "All products"),
    ]


def test_one_months_revenue_of_both_is_that_computed_by_hand(shop: Installation) -> None:
    # Shopify: 67 + 120 + 36 (40 USD) + 30 + 18 + 7, discounts 10 + 2, refunds 16 + 16 (20 USD each) + 12.
    # Stripe: 100 + 72 (80 USD) + 19.99, refunds 64 (80 USD, two days later) + 9.99.
    assert rows(
        shop,
        "select gross_amount, discount_amount, refund_amount, net_amount, orders from marts.kpi_revenue "
        "where grain = 'month' and entity_type = 'company' and period_start = date '2025-02-01'",
    ) == [(*money("469.99", "12", "117.99", "340"), 9)]


def test_one_months_spend_of_both_is_that_computed_by_hand(shop: Installation) -> None:
    # Google: 1.50 + 3.25 EUR. Meta: 12.50 USD at 0.90 and 4.00 USD at 0.80.
    assert rows(
        shop,
        "select paid_spend_amount from marts.kpi_cac "
        "where grain = 'month' and entity_type = 'company' and period_start = date '2025-02-01'",
    ) == [(Decimal("19.2"),)]


def test_what_google_reports_of_its_ads_stands_beside_their_cost(shop: Installation) -> None:
    # The first file has no such columns. What Meta reports is not carried.
    assert rows(
        shop,
        "select platform_conversions, platform_revenue_amount, platform_spend_amount, round(platform_roas, 4) "
        "from marts.kpi_cac "
        "where grain = 'month' and entity_type = 'company' and period_start = date '2025-02-01'",
    ) == [(Decimal("3.5"), Decimal("250.5"), Decimal("4.75"), 52.7368)]


def test_unreadable_lines_are_quarantined_under_the_exports_own_column_names(shop: Installation) -> None:
    assert rows(shop, "select source, row_number, reason from staging.quarantined_rows") == [
        ("shopify", 2, "Created at: cannot be read as timestamp")
    ]


def test_nobody_is_named_beyond_the_typed_logs(shop: Installation) -> None:
    tables = rows(
        shop,
        "select table_schema || '.' || table_name from information_schema.tables "
        "where table_type = 'BASE TABLE' and not starts_with(table_name, 'base_')",
    )
    people = "example|placeholder|nobody|fictional|leave at"
    naming = "select '{0}' from {0} as t where regexp_matches(lower(cast(t as varchar)), '" + people + "')"
    found = rows(shop, " union ".join(naming.format(table) for (table,) in tables))
    assert ("staging.stg_shopify__order_versions",) in tables
    assert found == []


def test_the_mapping_holds_for_cases_no_sample_has(shop: Installation) -> None:
    paths = [f"test_type:unit,path:models/staging/{vendor}" for vendor in VENDORS]
    printed = shop.dbt("test", "--select", *paths).stdout
    assert "PASS=11 WARN=0 ERROR=0 SKIP=0" in printed


def test_the_personal_columns_are_those_that_hold_people() -> None:
    shopify, stripe = load_sources(["shopify", "stripe"], SHIPPED_DIR)
    assert {"Email", "Billing Name", "Shipping Address1", "Notes"} <= set(shopify.tables["orders"].personal_columns)
    assert {"Customer Email", "Card Name", "Description"} <= set(stripe.tables["payments"].personal_columns)


def test_what_is_odd_in_the_samples_is_told_by_their_suites(shop: Installation) -> None:
    assert failed_staging_checks(shop, VENDORS) == set()
