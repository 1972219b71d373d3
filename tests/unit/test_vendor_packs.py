"""The shipped sources: what they ask of a delivery."""

import re
from datetime import date
from pathlib import Path

import duckdb
import pytest

from pipelines.ingest.landing import Landed, land
from pipelines.settings import PROJECT_DIR
from pipelines.sources import SHIPPED_DIR, Table, each_table, load_sources
from pipelines.sql import quote_name, quote_path
from pipelines.tables import raw_file
from pipelines.warehouse import sandboxed

DAY = date(2025, 1, 31)
TABLES = {
    (source.name, name): table
    for source, name, table in each_table(load_sources(sorted(p.stem for p in SHIPPED_DIR.glob("*.yml")), Path("none")))
}
VENDORS = (
    "chargebee", "delighted", "google_ads", "hubspot", "linkedin_ads", "magento", "meta_ads", "meta_ads_manager",
    "pipedrive", "qualtrics", "salesforce", "shopify", "stripe", "typeform", "woocommerce", "xero",
)  # fmt: skip


def columns_of_base_model(source: str, table: str) -> set[str]:
    """The delivered columns that the base model of a table types."""
    folder = PROJECT_DIR / "dbt_project" / "models" / "staging" / source / "base"
    model = (folder / f"base_{source}__{table}.sql").read_text(encoding="utf-8")
    return set(re.findall(r"\[(?:quoted\()?'([^']+)'\)?, '", model))


def land_header(folder: Path, table: Table, header: list[str]) -> Landed:
    """Land a CSV file that has only a header."""
    return land_text(folder, table, ",".join(header) + "\n")[0]


def land_text(folder: Path, table: Table, text: str) -> tuple[Landed, list[tuple[str, ...]]]:
    """Land a file with this text, and return the key of each landed row."""
    landing, raw = folder / "landing", folder / "raw"
    file = landing / table.path.format(delivered_on=DAY).replace("*", "")
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    with sandboxed(landing, raw) as database:
        landed = land("vendor", "rows", table, DAY, landing, raw, database)
    key = ", ".join(map(quote_name, table.key))
    return landed, duckdb.sql(f"select {key} from {quote_path(raw_file(raw, 'vendor', 'rows', DAY))}").fetchall()


@pytest.mark.parametrize(("source", "name"), [key for key in TABLES if key[0] in VENDORS])
def test_a_required_column_is_one_that_a_model_reads(source: str, name: str) -> None:
    read = columns_of_base_model(source, name)
    assert read  # else this test has lost sight of the models
    table = TABLES[source, name]
    assert set(table.columns) <= read
    assert read <= {*table.columns, *table.optional_columns}


@pytest.mark.parametrize("key", [key for key in TABLES if key[0] in VENDORS])
def test_no_personal_column_is_required(key: tuple[str, str]) -> None:
    assert not set(TABLES[key].columns) & set(TABLES[key].personal_columns)


@pytest.mark.parametrize(
    ("source", "name", "header"),
    [
        ("pipedrive", "deals", "deal - id,Deal - Value,Deal - Currency of Value,Deal - Stage,Deal - Status,"
         "Deal - Deal created,Deal - Won time,Deal - Lost time"),
        ("pipedrive", "deals", "Deal - ID,Deal - Value,Deal - Currency,Deal - Stage (pipeline),Deal - Status,"
         "Deal - Creation date,Deal - Won time,Deal - Lost time,Organization,Contact person,Deal - Closed on"),
        ("shopify", "orders", "Name,Financial Status,Currency,Subtotal,Shipping,Taxes,Total,Discount Amount,"
         "Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem taxable,Cancelled at,Payment Method,"
         "Refunded Amount,Id"),
        ("stripe", "payments", "id,Amount,Amount Refunded,Currency,Captured,Status,Created date (UTC)"),
        ("hubspot", "deals", "Record ID,Deal Stage,Amount,Close Date,Create Date"),
        ("salesforce", "opportunities", "Opportunity ID,Stage,Amount,Close Date,Opportunity Owner,Account Name,Won"),
        ("salesforce", "opportunities", "Opportunity ID (18 Digit),Account ID (18 digit),Stage,Amount,Close Date"),
        ("salesforce", "leads", "Lead ID,Created Date,Opportunity ID,Lead Source,Lead Status,Lead Owner,Email"),
        ("hubspot", "deals", "Record ID,Deal Name,Deal stage,Amount,Deal owner,Close date,Create date,"
         "Associated Company (Primary),Associated Company IDs (Primary),Associated Company IDs"),
        ("hubspot", "deals", "hs_object_id,dealname,dealstage,amount,closedate,createdate,hubspot_owner_id,"
         "hs_is_closed_won,hs_is_closed_lost,hs_is_closed,deal_currency_code,closed_lost_reason"),
        ("hubspot", "contacts", "Record ID - Contact,Create Date,Lifecycle Stage,Original Traffic Source"),
        ("hubspot", "contacts", "hs_object_id,email,createdate,lastmodifieddate,lifecyclestage,hubspot_owner_id,"
         "hs_analytics_source"),
    ],
)  # fmt: skip
def test_headers_of_every_kind_of_export_land(tmp_path: Path, source: str, name: str, header: str) -> None:
    landed = land_header(tmp_path, TABLES[source, name], header.split(","))
    assert (landed.outcome, landed.undeclared_columns) == ("landed", [])


@pytest.mark.parametrize(
    "report",
    [
        'Campaign report\n"January 1, 2025 - January 2, 2025"\n'
        "Day,Campaign,Campaign ID,Campaign type,Currency code,Impr.,Clicks,Cost\n"
        '2025-01-01,Brand,111,Search,EUR,"1,200",40,"1,150.50"\n'
        'Total: Campaigns, --, --, --,EUR,"1,200",40,"1,150.50"\nTotal: Search,,,Search,EUR,"1,200",40,9.50\n',
        'Kampagnenbericht\n"1. Januar 2025 - 2. Januar 2025"\n'
        "Tag,Kampagne,Kampagnen-ID,Kampagnentyp,Währungscode,Impr.,Klicks,Kosten\n"
        '2025-01-01,Brand,111,Search,EUR,1.200,40,"1.150,50"\nGesamt: Konto,--\nGesamt: Suche,--,,,EUR,1.200,40,9\n',
        "segments.date,campaign.id,customer.currency_code,metrics.cost_micros\n"
        "2025-01-01,111,EUR,1150500000\n,,,\n ,--,,\n",
    ],
    ids=["downloaded in English", "downloaded in German", "from the API, with odd rows"],
)
def test_a_google_ads_report_lands_without_its_titles_and_totals(tmp_path: Path, report: str) -> None:
    landed, rows = land_text(tmp_path, TABLES["google_ads", "campaign_days"], report)
    assert (landed.rows, landed.skipped_rows, landed.unreadable_rows, landed.undeclared_columns) == (1, 2, 0, [])
    assert rows == [("2025-01-01", "111")]


@pytest.mark.parametrize(
    "export",
    [
        "Reporting starts,Reporting ends,Campaign name,Impressions,Clicks (all),Amount spent (JPY),Results\n"
        "2025-01-01,2025-01-01,Brand,1,1,500,3\n2025-01-01,2025-01-01,,1,1,500,3\n",
        "Tag,Name der Kampagne,Ausgegebener Betrag (JPY),Impressionen,Link-Klicks\n"
        '2025-01-01,Brand,"500",1,1\n,,"500",1,1\n',
        "Début des rapports,Fin des rapports,Nom de la campagne,Montant dépensé (JPY),Clics sur un lien,Achats\n"
        "2025-01-01,2025-01-01,,500,1,\n2025-01-01,2025-01-01,Brand,500,1,\n",
        "Día,Nombre de la campaña,Identificador de la campaña,Importe gastado (JPY),Impresiones,Compras\n"
        "2025-01-01,Brand,1,500,1,1\n,,,500,1,1\n",
        "Início dos relatórios,Término dos relatórios,Nome da campanha,Valor usado (JPY),Cliques (todos)\n"
        "2025-01-01,2025-01-01,Brand,500,1\n2025-01-01,2025-01-01,,500,1\n",
    ],
    ids=["English", "German", "French", "Spanish", "Portuguese"],
)
def test_an_export_of_ads_manager_lands_without_its_summary(tmp_path: Path, export: str) -> None:
    table = TABLES["meta_ads_manager", "campaign_days"].model_copy(
        update={"key": ["Campaign name", "Amount spent", "Currency of amounts"]}
    )
    landed, rows = land_text(tmp_path, table, export)
    assert (landed.rows, landed.skipped_rows, landed.unreadable_rows, landed.undeclared_columns) == (1, 1, 0, [])
    assert rows == [("Brand", "500", "JPY")]
