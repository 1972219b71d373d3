"""Exports of two shops, of invoices, LinkedIn and Meta Ads and a survey in their own layouts, through to the KPIs.

The samples contain the known peculiarities of each of these exports. The expected values are computed by hand.
"""

import hashlib
import shutil
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.checks.gx.relations import DuckDBTable
from pipelines.checks.suites import load_suites
from pipelines.checks.validation import validate
from tests.conftest import PROJECT_DIR, Installation
from tests.integration.conftest import failed_staging_checks

HERE = Path(__file__).parent / "vendors"
VENDORS = ("woocommerce", "magento", "xero", "chargebee", "linkedin_ads", "meta_ads_manager", "qualtrics")


@pytest.fixture(scope="module")
def business(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Two delivery days of all vendors, landed and built. A dollar is 0.90 euros, and 0.80 from 3 February."""
    data_dir = tmp_path_factory.mktemp("shops_and_billing")
    shutil.copytree(HERE / "commerce_and_ads", data_dir, ignore=shutil.ignore_patterns("kpi.yml"), dirs_exist_ok=True)
    shutil.copy(HERE / "shops_and_billing.yml", data_dir / "kpi.yml")
    for vendor in VENDORS:
        shutil.copytree(HERE / vendor, data_dir / "landing" / vendor)
    for report in (data_dir / "landing" / "linkedin_ads").iterdir():
        report.write_text(report.read_text(encoding="utf-8"), encoding="utf-16")  # as LinkedIn writes it
    installation = Installation(data_dir, data_dir / "kpi.yml")
    installation.build(models="staging +kpi_revenue +kpi_cac +kpi_nps +fct_refunds")
    return installation


def rows(business: Installation, query: str) -> list[tuple[Any, ...]]:
    """The result of `query` on the warehouse."""
    with business.warehouse() as connection:
        return connection.execute(query).fetchall()


def key(text: str) -> str:
    """The replacement for an e-mail address or a name."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def money(*amounts: str) -> tuple[Decimal, ...]:
    """Amounts as exact numbers."""
    return tuple(map(Decimal, amounts))


def test_woocommerces_orders_are_those_that_were_not_left_at_the_checkout(business: Installation) -> None:
    assert rows(
        business,
        "select order_id, customer_id, ordered_at, status, currency_code, region "
        "from staging.stg_woocommerce__orders order by 1",
    ) == [
        # Half past midnight in Warsaw.
        ("501", f"woocommerce:{key('ada@example.com')}", datetime(2025, 1, 31, 23, 30), "completed", "EUR", "PL"),
        ("502", f"woocommerce:{key('bo fictional')}", datetime(2025, 2, 1, 11), "processing", "USD", "US"),
        ("504", f"woocommerce:{key('cy@example.com')}", datetime(2025, 2, 1, 11, 20), "cancelled", "EUR", "PL"),
        ("505", f"woocommerce:{key('dee@example.com')}", datetime(2025, 2, 1, 12), "refunded", "EUR", "DE"),
        ("506", None, datetime(2025, 2, 2, 8, 15), "on hold", "EUR", "PL"),
    ]


def test_woocommerces_lines_and_refunds_are_of_products_without_tax(business: Installation) -> None:
    assert rows(
        business,
        "select order_item_id, product_id, quantity, unit_price, discount_amount "
        "from staging.stg_woocommerce__order_items where order_id in ('501', '506') order by 1",
    ) == [
        ("501/1", "MUG", 2, *money("10", "2")),
        ("501/2", "Tea", 1, *money("10", "0")),
        ("506/1", "HONEY", 1, *money("7.5", "0")),  # one and a half kilograms
    ]
    assert rows(business, "select refund_id, refunded_at, amount from staging.stg_woocommerce__refunds order by 1") == [
        # 30.00 of 60.00, of which 50.00 are for products; midnight in Warsaw on the day of its delivery.
        ("502/2025-02-03", datetime(2025, 2, 2, 23), Decimal(25)),
        ("505/2025-02-01", datetime(2025, 2, 1, 12), Decimal(30)),  # on the order's day: the date is unknown
    ]


def test_magentos_orders_are_paid_or_to_be_paid_in_the_customers_currency(business: Installation) -> None:
    assert rows(
        business,
        "select order_id, customer_id, ordered_at, status, currency_code, region from staging.stg_magento__orders "
        "order by 1",
    ) == [
        ("1", f"magento:{key('ada@example.com')}", datetime(2025, 1, 31, 23, 30), "complete", "EUR", "PL"),
        # The version that arrived later is older.
        ("2", f"magento:{key('eli@example.com')}", datetime(2025, 2, 1, 10), "processing", "USD", "US"),
        ("4", f"magento:{key('eli@example.com')}", datetime(2025, 2, 1, 12), "canceled", "EUR", None),
    ]


def test_magentos_lines_bear_the_discount_on_products_only(business: Installation) -> None:
    assert rows(
        business,
        "select order_item_id, product_id, quantity, unit_price, discount_amount from staging.stg_magento__order_items "
        "where order_id in ('1', '2') order by 1",
    ) == [
        # 11.00 off, of which 5.00 off the shipping; the blue mug is a variant of the first line.
        ("11", "MUG-BLUE", 2, *money("10", "3")),
        ("13", "TEA-1", 1, *money("20", "3")),
        ("2/1", None, 1, *money("100", "0")),  # no item was delivered
    ]
    assert rows(business, "select refund_id, order_id, refunded_at, amount from staging.stg_magento__refunds") == [
        ("1", "2", datetime(2025, 2, 3, 10), Decimal(45))  # 50.00 less a fee of 5.00; the other one is canceled
    ]


def test_xeros_approved_invoices_are_orders_whether_paid_or_not(business: Installation) -> None:
    acme = f"xero:{key('acme fictional ltd')}"
    assert rows(
        business,
        "select order_id, customer_id, ordered_at, status, currency_code, region from staging.stg_xero__orders "
        "order by 1",
    ) == [
        ("INV-1", acme, datetime(2025, 1, 31, 23), "awaiting payment", "EUR", "Poland"),
        ("INV-2", f"xero:{key('zed fictional')}", datetime(2025, 2, 1, 23), "paid", "USD", None),
        ("INV-4", acme, datetime(2025, 1, 31, 23), "cancelled", "EUR", "Poland"),  # voided on the second day
    ]
    assert rows(
        business,
        "select order_item_id, product_id, quantity, unit_price, discount_amount from staging.stg_xero__order_items "
        "where order_id in ('INV-1', 'INV-2') order by 1",
    ) == [
        ("INV-1/1", "BOX", 2, *money("100", "20")),
        ("INV-1/2", "HOUR", 1, *money("120", "0")),  # an hour and a half
        ("INV-1/4", None, 1, *money("0", "20")),  # the line before holds only a text
        ("INV-2/1", "BOX", 1, *money("100", "0")),  # 123.00 with its tax
    ]


def test_xeros_credit_notes_are_refunds_of_their_customers(business: Installation) -> None:
    acme = f"xero:{key('acme fictional ltd')}"
    assert rows(
        business,
        "select refund_id, order_id, customer_id, refunded_at, amount from staging.stg_xero__refunds order by 1",
    ) == [
        ("CN-1/1", None, acme, datetime(2025, 2, 2, 23), Decimal(30)),
        ("CN-1/2", None, acme, datetime(2025, 2, 2, 23), Decimal(20)),
    ]
    assert rows(
        business, "select sum(refund_amount) from marts.fct_refunds where region = 'Poland' and order_id is null"
    ) == [(Decimal(50),)]


def test_chargebees_closed_invoices_are_orders_and_credit_notes_refunds(business: Installation) -> None:
    assert rows(
        business,
        "select order_id, customer_id, ordered_at, status, currency_code, region, total_amount "
        "from staging.stg_chargebee__orders order by 1",
    ) == [
        ("CB-1", "acme", datetime(2025, 2, 1, 10), "paid", "EUR", "PL", Decimal(100)),  # without 23.00 tax
        ("CB-2", "beta", datetime(2025, 2, 1, 11), "not_paid", "USD", None, Decimal(100)),
        ("CB-4", "beta", datetime(2025, 2, 1, 11), "cancelled", "USD", None, Decimal(70)),  # voided on the second day
    ]
    assert rows(
        business,
        "select refund_id, order_id, refunded_at, amount, reason from staging.stg_chargebee__refunds order by 1",
    ) == [
        ("CN-1", "CB-1", datetime(2025, 2, 3, 11), Decimal(50), "Service Unsatisfactory"),
        ("CN-2", "CB-2", datetime(2025, 2, 3, 11), Decimal(100), "write_off"),
    ]


def test_a_customer_of_two_systems_is_one_person(business: Installation) -> None:
    assert rows(
        business,
        "select customer_id from intermediate.int_customer_identities where is_account and person_id = "
        "(select person_id from intermediate.int_customer_identities where customer_id = 'acme') order by 1",
    ) == [("acme",), (f"xero:{key('acme fictional ltd')}",)]


def test_linkedins_campaigns_are_its_ad_sets_under_either_header(business: Installation) -> None:
    assert rows(
        business,
        "select spend_date, campaign_id, impressions, clicks, spend, currency_code "
        "from staging.stg_linkedin_ads__ad_spend order by 2, 1",
    ) == [
        (date(2025, 1, 31), "901", 10_000, 200, Decimal("1234.50"), "USD"),
        (date(2025, 2, 1), "901", 2100, 44, Decimal(110), "USD"),  # corrected by the second report
        (date(2025, 2, 3), "901", 300, 5, Decimal(20), "USD"),
        (date(2025, 2, 1), "902", 500, 4, Decimal(8), "USD"),
        (date(2025, 2, 3), "903", 10, 0, Decimal(0), "USD"),
    ]
    assert rows(business, "select campaign_id, name from staging.stg_linkedin_ads__campaigns order by 1") == [
        ("901", "Founders (PL)"),
        ("902", "Marketers"),
        ("903", "Students"),
    ]


def test_metas_campaigns_are_added_up_from_whatever_ads_manager_exports(business: Installation) -> None:
    # The first export is by ad set, without numbers of campaigns. The second has them, and replaces what both have.
    assert rows(
        business,
        "select spend_date, campaign_id, impressions, clicks, spend, currency_code, platform_conversions, "
        "platform_revenue, _delivered_on from staging.stg_meta_ads_manager__ad_spend order by 2, 1",
    ) == [
        (date(2025, 2, 1), "120001", 1400, 30, Decimal(26), "USD", None, None, date(2025, 2, 3)),
        (date(2025, 2, 3), "120001", 300, 4, Decimal("7.5"), "USD", None, None, date(2025, 2, 3)),
        (date(2025, 2, 1), "120002", 900, 10, Decimal(12), "USD", None, None, date(2025, 2, 3)),
        (date(2025, 2, 3), "120003", 0, 0, Decimal(0), "USD", None, None, date(2025, 2, 3)),
        (date(2025, 1, 31), "Launch", 3000, 45, Decimal("30.75"), "USD", Decimal(1), Decimal(50), date(2025, 2, 1)),
    ]
    assert rows(
        business, "select campaign_id, name, platform from staging.stg_meta_ads_manager__campaigns order by 1"
    ) == [
        ("120001", "Launch BR", "meta_ads"),
        ("120002", "Brand", "meta_ads"),
        ("120003", "Paused", "meta_ads"),
        ("Brand", "Brand", "meta_ads"),
        ("Launch", "Launch", "meta_ads"),
    ]


def test_qualtrics_answers_are_those_of_people_who_were_asked(business: Installation) -> None:
    assert rows(
        business,
        "select response_id, customer_id, score, responded_at from staging.stg_qualtrics__nps_responses order by 1",
    ) == [
        ("R_1", key("ada@example.com"), 9, datetime(2025, 1, 31, 23, 30)),
        ("R_2", "C-17", 3, datetime(2025, 2, 1, 11)),
        ("R_6", key("ada@example.com"), 6, datetime(2025, 2, 3, 8)),
    ]
    # Ada's last answer is a 6.
    assert rows(
        business,
        "select period_responses, period_promoters, period_detractors from marts.kpi_nps "
        "where grain = 'month' and entity_type = 'company' and period_start = date '2025-02-01'",
    ) == [(2, 0, 2)]


def test_one_months_revenue_is_that_computed_by_hand(business: Installation) -> None:
    # WooCommerce: 20 + 10 + 45 (50 USD at 0.90) + 30 + 7.50, discount 2, refunds 20 (25 USD at 0.80) + 30.
    # Magento: 20 + 20 + 90 (100 USD at 0.90), discounts 3 + 3, refund 36 (45 USD at 0.80).
    # Xero: 200 + 120 + 90 (100 USD at 0.90), discounts 20 + 20, refunds 30 + 20.
    # Chargebee: 100 + 90 (100 USD at 0.90), refunds 50 + 80 (100 USD at 0.80).
    assert rows(
        business,
        "select gross_amount, discount_amount, refund_amount, net_amount, orders from marts.kpi_revenue "
        "where grain = 'month' and entity_type = 'company' and period_start = date '2025-02-01'",
    ) == [(*money("842.5", "48", "266", "528.5"), 10)]


def test_one_months_spend_is_that_computed_by_hand(business: Installation) -> None:
    # LinkedIn: 110.00 and 8.00 USD at 0.90, and 20.00 USD at 0.80. Meta: 26.00 and 12.00 at 0.90, and 7.50 at 0.80.
    assert rows(
        business,
        "select paid_spend_amount from marts.kpi_cac "
        "where grain = 'month' and entity_type = 'company' and period_start = date '2025-02-01'",
    ) == [(Decimal("162.4"),)]


def test_unreadable_rows_keep_the_row_number_of_the_file(business: Installation) -> None:
    assert rows(business, "select source, row_number, reason from staging.quarantined_rows order by all") == [
        ("chargebee", 6, "'tax' is missing"),
        ("linkedin_ads", 10, "Start Date (in UTC): cannot be read as date"),
        ("magento", 5, "created_at: cannot be read as timestamp"),
        ("meta_ads_manager", 7, "Reporting starts: cannot be read as date; Reporting ends: cannot be read as date"),
        ("qualtrics", 8, "NPS: cannot be read as integer"),
        ("woocommerce", 4, "Quantity: cannot be read as decimal"),
        ("xero", 9, "InvoiceDate: cannot be read as date"),
    ]


def test_what_is_odd_in_the_samples_is_told_by_their_suites(business: Installation) -> None:
    assert failed_staging_checks(business, VENDORS) == set()
    # Lines of checkouts that were not finished are no lines of orders.
    assert rows(business, "select order_id from intermediate.int_order_items where order_id in ('503', '3')") == []


def test_nobody_is_named_beyond_the_typed_logs(business: Installation) -> None:
    tables = rows(
        business,
        "select table_schema || '.' || table_name from information_schema.tables "
        "where table_type = 'BASE TABLE' and not starts_with(table_name, 'base_')",
    )
    assert ("staging.stg_woocommerce__order_versions",) in tables
    people = "example|fictional|leave at|placeholder"
    naming = "select '{0}' from {0} as t where regexp_matches(lower(cast(t as varchar)), '" + people + "')"
    assert rows(business, " union ".join(naming.format(table) for (table,) in tables)) == []


def test_mapping_holds_for_what_is_not_in_these_files(business: Installation) -> None:
    paths = [f"test_type:unit,path:models/staging/{vendor}" for vendor in VENDORS]
    assert "PASS=12 WARN=0 ERROR=0" in business.dbt("test", "--select", *paths).stdout


def failed_checks(folder: Path, model: str, *statements: str) -> set[str]:
    """The checks that fail on a staging model that these statements create in a warehouse of its own."""
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute("create schema staging")
        for statement in statements:
            connection.execute(statement)
    suite = load_suites(PROJECT_DIR / "expectations")["staging", model]
    results = validate(suite, DuckDBTable(folder / "warehouse.duckdb", "staging", model))
    assert [result.error for result in results if result.error] == []
    return {result.check for result in results if not result.passed}


def test_answers_on_the_scale_of_satisfaction_are_not_taken_for_nps(tmp_path: Path) -> None:
    answers = """
        create table staging.stg_qualtrics__nps_responses as
        select
            'R_' || i as response_id, 'C-' || i as customer_id, i % 5 + 1 as score,
            timestamp '2025-02-01' as responded_at, 'f' as _source_file, i as _row_number,
            date '2025-02-01' as _delivered_on
        from range(50) as numbers (i)
    """
    assert failed_checks(tmp_path, "stg_qualtrics__nps_responses", answers) == {"scale_is_that_of_nps"}


@pytest.mark.parametrize(
    ("days", "end", "ads", "failed"),
    [
        ("'2025-02-01', '2025-03-01'", "null", 1, {"days_are_not_months"}),
        ("'2025-02-01', '2025-02-02'", "date '2025-02-28'", 1, {"rows_are_of_one_day"}),
        ("'2025-02-01', '2025-02-02'", "null", 2, {"one_row_per_campaign_and_day"}),
        ("'2025-02-01', '2025-02-02'", "null", 1, set()),
    ],
)
def test_a_linkedin_report_of_months_or_of_ads_blocks(
    tmp_path: Path, days: str, end: str, ads: int, failed: set[str]
) -> None:
    delivered = f"""
        create table staging.base_linkedin_ads__campaign_days as
        select
            cast(day as date) as "Start Date (in UTC)", cast({end} as date) as "End Date (in UTC)",
            '1' as "Campaign ID", cast(null as varchar) as "Ad Set ID", cast(null as varchar) as _reject_reason,
            'f' as _source_file, row_number() over () as _row_number, date '2025-03-02' as _delivered_on
        from unnest([{days}]) as days (day), range({ads})
    """
    spend = """
        create table staging.stg_linkedin_ads__ad_spend as
        select
            "Start Date (in UTC)" as spend_date, '1' as campaign_id, 10 as impressions, 1 as clicks, 1.00 as spend,
            'EUR' as currency_code, _source_file, min(_row_number) as _row_number, _delivered_on
        from staging.base_linkedin_ads__campaign_days
        group by all
    """
    campaigns = "create table staging.stg_linkedin_ads__campaigns as select '1' as campaign_id"
    assert failed_checks(tmp_path, "stg_linkedin_ads__ad_spend", delivered, spend, campaigns) == failed


TWICE = {"no_row_sums_up_the_others"}


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({}, set()),
        ({"Reporting ends": "date '2025-02-28'"}, {"rows_are_of_one_day"}),
        ({"Reporting ends": "cast(null as date)"}, {"rows_are_of_one_day"}),
        ({"Reporting ends": "date '2025-02-28'", "Day": "date '2025-02-01'"}, set()),
        ({"_source_file": "'f' || ad_set"}, {"one_file_per_campaign_and_day"}),
        ({"Amount spent": "[4.50, 1.50, 3.00][ad_set]", "Impressions": "[300, 100, 200][ad_set]"}, TWICE),
        ({"Amount spent": "[4.50, 1.50, 3.00][ad_set]"}, set()),
    ],
)
def test_an_export_of_ads_manager_that_would_count_wrongly_blocks(
    tmp_path: Path, changes: dict[str, str], failed: set[str]
) -> None:
    cells = {
        "Day": "cast(null as date)",
        "Reporting starts": "date '2025-02-01'",
        "Reporting ends": "date '2025-02-01'",
        "Campaign ID": "cast(null as varchar)",
        "Campaign name": "'Launch'",
        "Amount spent": "1.00",
        "Impressions": "200",
        "_source_file": "'f'",
        "_row_number": "1",
        "_delivered_on": "date '2025-03-02'",
    } | changes
    delivered = f"""
        create table staging.base_meta_ads_manager__campaign_days as
        select {", ".join(f'{expression} as "{column}"' for column, expression in cells.items())}
        from range(1, 4) as ad_sets (ad_set)
    """
    spend = """
        create table staging.stg_meta_ads_manager__ad_spend as
        select
            date '2025-02-01' as spend_date, 'Launch' as campaign_id, 10 as impressions, 1 as clicks, 1.00 as spend,
            'EUR' as currency_code, 'f' as _source_file, 1 as _row_number, date '2025-03-02' as _delivered_on
    """
    campaigns = "create table staging.stg_meta_ads_manager__campaigns as select 'Launch' as campaign_id"
    assert failed_checks(tmp_path, "stg_meta_ads_manager__ad_spend", delivered, spend, campaigns) == failed
