"""Exports of LinkedIn Ads in its own layout, through to the common KPIs.

The samples contain the known peculiarities of each of these exports. The expected values are computed by hand.
"""

import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Installation

HERE = Path(__file__).parent / "vendors"
VENDORS = ("linkedin_ads",)


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
    installation.build()
    return installation


def rows(business: Installation, query: str) -> list[tuple[Any, ...]]:
    """The result of `query` on the warehouse."""
    with business.warehouse() as connection:
        return connection.execute(query).fetchall()


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


def test_one_months_spend_is_that_computed_by_hand(business: Installation) -> None:
    # 110.00 and 8.00 USD at 0.90, and 20.00 USD at 0.80.
    assert rows(
        business,
        "select paid_spend_amount from marts.kpi_cac__monthly "
        "where entity_type = 'company' and period_month = date '2025-02-01'",
    ) == [(Decimal("122.2"),)]


def test_unreadable_rows_keep_the_row_number_of_the_file(business: Installation) -> None:
    assert rows(business, "select source, row_number, reason from staging.quarantined_rows order by all") == [
        ("linkedin_ads", 10, "Start Date (in UTC): cannot be read as date")
    ]


def test_mapping_holds_for_what_is_not_in_these_files(business: Installation) -> None:
    paths = [f"test_type:unit,path:models/staging/{vendor}" for vendor in VENDORS]
    assert "PASS=1 WARN=0 ERROR=0" in business.dbt("test", "--select", *paths).stdout
