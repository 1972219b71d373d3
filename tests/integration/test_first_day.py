"""A first day is published: one order, deal, answer or amount spent, with nothing before it to compare with."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.conftest import Installation
from tests.integration.test_empty_is_not_broken import DEALS, MINIMAL

ORDERS = MINIMAL["woocommerce/orders_2025-04-01.csv"]
FIRST_DAYS = {  # the day's only file, its content, and what is published of the company's first month
    "an order of the same day": (
        "woocommerce/orders_2025-04-01.csv",
        ORDERS.replace("2025-03-15", "2025-04-01"),
        ("2025-04-01", "revenue", "net", Decimal(80)),
    ),
    "an order of the month before": (
        "woocommerce/orders_2025-04-01.csv",
        ORDERS,
        ("2025-03-01", "revenue", "net", Decimal(80)),
    ),
    "an order on a day on which week, month, quarter and year end": (
        "woocommerce/orders_2023-12-31.csv",
        ORDERS.replace("2025-03-15", "2023-12-30"),
        ("2023-12-01", "revenue", "net", Decimal(80)),
    ),
    "deals": ("hubspot/deals_2025-04-01.csv", DEALS, ("2025-03-01", "win_rate", "closed_count", Decimal("0.5"))),
    "an answer": (
        "qualtrics/responses_2025-04-01.csv",
        MINIMAL["qualtrics/responses_2025-04-01.csv"],
        ("2025-03-01", "nps", "period", Decimal(100)),
    ),
    "spend": (
        "linkedin_ads/campaign_performance_report_2025-04-01.csv",
        MINIMAL["linkedin_ads/campaign_performance_report_2025-04-01.csv"],
        None,  # every KPI of ads needs customers or leads, too
    ),
}


@pytest.mark.nightly
@pytest.mark.parametrize("name", FIRST_DAYS)
def test_a_first_day_is_published(name: str, tmp_path: Path) -> None:
    file, content, value = FIRST_DAYS[name]
    landing = tmp_path / "landing" / file
    landing.parent.mkdir(parents=True)
    landing.write_text(content, encoding="utf-16" if "linkedin_ads" in file else "utf-8")
    day = landing.stem[-10:]
    settings = {"KPI_SOURCES": file.partition("/")[0], "KPI_FIRST_DELIVERY": day, "KPI_COMPANY_DIR": "none"}
    installation = Installation(tmp_path, environment=settings)
    installation.kpi("run", "--date", day)
    with installation.published() as connection:
        published = connection.execute(
            """
            select strftime(period_start, '%Y-%m-%d'), kpi_id, variant, round(value, 4)
            from marts.kpi_scorecard
            where grain = 'month' and entity_type = 'company' and value <> 0
            """
        ).fetchall()
    assert value is None or value in published
