"""If a declared source lacks something that is optional, it is not broken, and KPIs show that it is missing.

One installation has a Shopify shop that has never refunded anything, a HubSpot account of which only deals are exported
and whose stages have names of their own, and a Salesforce org of which only opportunities and users are extracted. Of
other systems, it has one file each, with the required columns only.
"""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipelines.checks.assets import complete_suites
from pipelines.checks.gx.relations import DuckDBTable
from pipelines.checks.suites import load_suites
from pipelines.checks.validation import validate
from pipelines.sources import load_sources
from tests.conftest import PROJECT_DIR, Installation
from tests.integration.conftest import failed_staging_checks

VENDORS = Path(__file__).parent / "vendors"
MINIMAL = {
    "woocommerce/orders_2025-04-01.csv": """\
Order Number,Order Status,Order Date,Currency,Order Refund Amount,Order Total Amount,Item Name,Quantity,\
Order Line (w/o tax)
1,Completed,2025-03-15 10:00,EUR,0,100,Mug,1,80
""",
    "magento/orders_2025-04-01.jsonl": """\
{"entity_id": 1, "created_at": "2025-03-15 10:00:00", "state": "complete", "order_currency_code": "EUR", \
"subtotal": 40, "discount_amount": 0}
""",
    "xero/SalesInvoices_2025-04-01.csv": """\
InvoiceNumber,InvoiceDate,Total,LineAmount,TaxAmount,Currency,Type,Status
INV-1,15/03/2025,123.00,100.00,23.00,EUR,Sales invoice,Paid
""",
    "chargebee/invoices_2025-04-01.jsonl": """\
{"id": "1", "customer_id": "a", "status": "paid", "date": 1742032800, "currency_code": "EUR", "total": 24600, \
"tax": 4600}
""",
    "linkedin_ads/campaign_performance_report_2025-04-01.csv": """\
Campaign Performance Report (in UTC)




Start Date (in UTC)\tCampaign ID\tCurrency\tTotal Spent
03/15/2025\t1\tEUR\t10.00
""",
    "qualtrics/responses_2025-04-01.csv": """\
ResponseId,Status,RecordedDate,NPS
R_1,IP Address,2025-03-15 10:00:00,9
""",
}
SOURCES = ["shopify", "hubspot", "salesforce", *(file.split("/")[0] for file in MINIMAL)]
DEALS = """\
Record ID,Deal Name,Deal Stage,Amount,Deal owner,Close Date,Create Date,Last Activity Date,Associated Company,\
Associated Company IDs,Associated Contact IDs,Lead source,Original Source,Is Closed Won,Is Deal Closed?
9001,A,Signed,1000,Rep One,2025-03-10 10:00,2025-01-10 10:00,,,701,501,,,true,true
9002,B,Rejected,0,Rep One,2025-03-12 10:00,2025-01-11 10:00,,,702,,,,false,true
9003,C,Proposal,700,Rep One,2025-05-12 10:00,2025-01-11 10:00,,,703,,,,false,false
9004,D,Won?,700,Rep One,2025-03-20 10:00,2025-01-11 10:00,,,703,,,,false,false
"""


@pytest.fixture(scope="module")
def young(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """One delivery of what each of the three sources has."""
    data_dir = tmp_path_factory.mktemp("young")
    landing = data_dir / "landing"
    for folder in SOURCES:
        (landing / folder).mkdir(parents=True)
    header, *orders = (VENDORS / "shopify" / "orders_export_2025-02-01.csv").read_text(encoding="utf-8").splitlines()
    unrefunded = [line for line in orders if line.startswith("#1008")]
    (landing / "shopify" / "orders_export_2025-04-01.csv").write_text("\n".join([header, *unrefunded, ""]))
    (landing / "hubspot" / "deals_2025-04-01.csv").write_text(DEALS)
    for name in ("Opportunity", "User"):
        text = (VENDORS / "salesforce" / f"{name}_2025-04-01.csv").read_text(encoding="utf-8")
        (landing / "salesforce" / f"{name}_2025-04-01.csv").write_text(text.replace("USD", "EUR"))
    for file in ("hubspot/contacts", "salesforce/Lead", "salesforce/OpportunityHistory"):
        # What a day without a file lands as.
        header = (VENDORS / f"{file}_2025-04-01.csv").read_text(encoding="utf-8").splitlines()[0]
        (landing / f"{file}_2025-04-01.csv").write_text(header + "\n")
    for table in ("magento/order_items", "magento/creditmemos", "chargebee/credit_notes", "chargebee/customers"):
        (landing / f"{table}_2025-04-01.jsonl").write_text("\n")
    for file, text in MINIMAL.items():
        (landing / file).write_text(text, encoding="utf-16" if file.startswith("linkedin_ads") else "utf-8")
    settings = {"KPI_SOURCES": ",".join(SOURCES), "KPI_FIRST_DELIVERY": "2025-04-01", "KPI_COMPANY_DIR": "none"}
    installation = Installation(data_dir, environment=settings)
    installation.build()
    return installation


def rows(young: Installation, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query on the warehouse."""
    with young.warehouse() as connection:
        return connection.execute(query).fetchall()


def test_no_check_of_staging_fails(young: Installation) -> None:
    # Somebody answered without leaving an address.
    assert failed_staging_checks(young, SOURCES) == {("stg_qualtrics__nps_responses", "customer_id_not_null")}


def test_no_check_of_the_marts_blocks_and_the_odd_deals_are_told(young: Installation) -> None:
    suites = complete_suites(load_suites(PROJECT_DIR / "expectations"), load_sources(SOURCES, PROJECT_DIR / "none"))
    warehouse = young.data_dir / "warehouse.duckdb"
    with young.warehouse():  # opening the file for each suite would take longer than checking it
        failed = [
            result
            for (stage, name), suite in suites.items()
            if stage == "marts" and name != "kpi_scorecard__monthly"  # it is compared with what was published
            for result in validate(suite, DuckDBTable(warehouse, stage, name))
            if not result.passed and "usual" not in result.check  # nor is there a calendar of days off
        ]
    assert [(result.table, result.check, result.severity) for result in failed] == [
        ("fct_opportunities", "stages_that_end_a_deal_are_known", "warning")
    ]
    assert "1 of 7 rows" in failed[0].message
    assert "stage Won?, expected_close_date 2025-03-20, opportunity_id 9004" in failed[0].message


def test_kpis_say_what_they_have(young: Installation) -> None:
    assert rows(
        young,
        "select kpi_id, variant, period_month, round(value, 2), status from marts.kpi_scorecard__monthly "
        "where entity_type = 'company' and status in ('ok', 'small_sample') and value <> 0 "
        "and (kpi_id, variant) in (('revenue', 'net'), ('win_rate', 'closed_count')) order by 1, 3",
    ) == [
        ("revenue", "net", date(2025, 2, 1), Decimal(7), "ok"),
        ("revenue", "net", date(2025, 3, 1), Decimal(420), "ok"),  # 80 + 40 + 100 + 200
        ("win_rate", "closed_count", date(2025, 3, 1), Decimal("0.5"), "small_sample"),  # one of two in each CRM
    ]
    assert rows(
        young,
        "select distinct status from marts.kpi_scorecard__monthly "
        "where kpi_id = 'lead_conversion' and entity_type = 'company'",
    ) == [("no_data",)]


def test_hubspots_own_word_on_won_and_lost_comes_before_the_label(young: Installation) -> None:
    assert rows(
        young, "select opportunity_id, is_won, is_closed from staging.stg_hubspot__opportunities order by 1"
    ) == [("9001", True, True), ("9002", False, True), ("9003", False, False), ("9004", False, False)]
