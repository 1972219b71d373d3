"""A row that reaches staging reaches a fact, or is counted as left out with a reason.

Two shops that number their orders alike, and a sales team whose deals have no creation date: each of these rows was
once lost without notice. A check of every run also ensures that nothing is lost
(`assert_every_row_of_staging_is_counted_or_left_out`), and these builds pass it.
"""

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.checks.gx.relations import DuckDBTable
from pipelines.checks.suites import load_suites
from pipelines.checks.validation import validate
from pipelines.publish.left_out import left_out_lines
from tests.conftest import PROJECT_DIR, Installation

SETTINGS = """\
sources: [north, south, office]
company_dir: .
first_delivery: 2025-01-31
time_zone: UTC
reporting_currency: EUR
"""
SOURCE = """\
description: One of the company's systems.
connector: files
owner: team:data
sla: "06:00"
entities: [{entities}]
tables:
"""
TABLE = """\
  {table}:
    description: Rows of {table}.
    path: {source}_{table}_{{delivered_on}}.csv
    format: csv
    columns: [{columns}]
    key: [_source_file, _row_number]
"""
ORDERS = "order_id,customer_id,day,region,amount"
REFUNDS = "refund_id,order_id,day,amount,customer_id,region"
DEALS = "deal_id,stage,close_date,owner,amount"
LEADS = "lead_id,email,day,converted"
SCORES = "answer_id,customer_id,day,score"
FILES = {
    # One number, two orders: 70.00 and 30.00.
    ("north", "orders"): [
        ORDERS, "1001,ada,2025-01-10,west,70.00", "1002,ada,,west,5.00", "1003,,2025-01-11,west,1.00",
    ],
    ("south", "orders"): [ORDERS, "1001,bob,2025-01-12,east,30.00", "1004,bob,2025-02-01,east,9.00"],
    ("north", "refunds"): [
        REFUNDS,
        "r1,1001,2025-01-20,7.00,,",  # for this shop's order
        "r2,,2025-01-21,3.00,bob,east",  # a credit note that names its customer
        "r3,9999,2025-01-22,2.00,,",  # for nobody
        "r4,1001,,4.00,,",
    ],
    ("office", "deals"): [
        DEALS,
        "1,Closed Won,2025-01-10,rep-a,100",
        "2,Closed Lost,2025-01-11,rep-b,50",
        "3,Proposal,,rep-a,20",
        "4,Closed Won,,rep-a,70",
    ],
    ("office", "leads"): [
        LEADS, "l1,x@example.com,2025-01-05,", "l2,y@example.com,,2025-01-09", "l3,x@example.com,2025-01-06,",
    ],
    ("office", "scores"): [SCORES, "s1,ada,2025-01-15,9", "s2,bob,2025-01-15,11", "s3,bob,,3"],
}  # fmt: skip
COLUMNS = {
    "day": ["day", "date"], "close_date": ["close_date", "date"], "converted": ["converted", "date"],
    "amount": ["amount", "decimal"], "score": ["score", "integer"],
}  # fmt: skip
PLACE = "_source_file, _row_number, _delivered_on"
ORDERS_OF_A_SHOP = (
    "select order_id, customer_id, cast(day as timestamp) as ordered_at, cast(null as varchar) as status, "
    "'EUR' as currency_code, 'web' as channel, region, cast(null as varchar) as rep_id, "
    f"cast(null as timestamp) as updated_at, false as is_deleted, amount as total_amount, {PLACE} from delivered"
)
STAGING = {
    ("north", "orders"): ORDERS_OF_A_SHOP,
    ("south", "orders"): ORDERS_OF_A_SHOP,
    ("north", "refunds"): (
        "select refund_id, order_id, cast(null as varchar) as order_item_id, cast(day as timestamp) as refunded_at, "
        f"amount, 'EUR' as currency_code, cast(null as varchar) as reason, customer_id, region, {PLACE} from delivered"
    ),
    ("office", "deals"): (
        "select deal_id as opportunity_id, cast(null as varchar) as customer_id, cast(null as varchar) as lead_id, "
        "owner as owner_id, cast(null as varchar) as sdr_id, cast(null as varchar) as type, stage, amount, "
        "'EUR' as currency_code, cast(null as timestamp) as created_at, cast(null as date) as expected_close_date, "
        "cast(close_date as timestamp) as closed_at, stage = 'Closed Won' as is_won, "
        "stage like 'Closed%' as is_closed, "
        f"cast(null as varchar) as loss_reason, cast(null as timestamp) as updated_at, {PLACE} from delivered"
    ),
    ("office", "leads"): (
        "select lead_id, email as email_key, cast(day as timestamp) as created_at, cast(null as varchar) as source, "
        "cast(null as varchar) as campaign_id, 'sdr' as sdr_id, cast(null as timestamp) as mql_at, "
        "cast(null as timestamp) as sql_at, cast(converted as timestamp) as converted_at, "
        "cast(null as varchar) as opportunity_id, false as is_deleted, cast(null as timestamp) as updated_at, "
        f"{PLACE} from delivered"
    ),
    ("office", "scores"): (
        "select answer_id as response_id, cast(null as varchar) as invitation_id, customer_id, score, "
        f"cast(day as timestamp) as responded_at, {PLACE} from delivered"
    ),
}
ENTITIES = {"deals": "opportunities", "scores": "nps_responses"}


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Everything above, landed and built."""
    folder = tmp_path_factory.mktemp("company")
    (folder / "kpi.yml").write_text(SETTINGS, encoding="utf-8")
    for source in ("north", "south", "office"):
        tables = [table for of, table in FILES if of == source]
        entities = ", ".join(ENTITIES.get(table, table) for table in tables)
        described = SOURCE.format(entities=entities) + "".join(
            TABLE.format(source=source, table=table, columns=FILES[source, table][0].replace(",", ", "))
            for table in tables
        )
        write(folder / "sources" / f"{source}.yml", described)
        models = folder / "models" / "staging" / source
        names = "".join(f"  - name: {table}\n" for table in tables)
        write(models / "sources.yml", f"sources:\n- name: {source}\n  tables:\n{names}")
        for table in tables:
            header, *_ = FILES[source, table]
            typed = [COLUMNS.get(column, [column, "text"]) for column in header.split(",")]
            write(models / f"base_{source}__{table}.sql", f"{{{{ delivery_log('{source}', '{table}', {typed}) }}}}\n")
            write(
                models / f"stg_{source}__{ENTITIES.get(table, table)}.sql",
                f"with delivered as ({{{{ latest_rows('{source}', '{table}') }}}}) {STAGING[source, table]}\n",
            )
            landing = folder / "data" / "landing" / f"{source}_{table}_2025-01-31.csv"
            write(landing, "\n".join(FILES[source, table]) + "\n")
    installation = Installation(folder / "data", folder / "kpi.yml")
    installation.build()
    return installation


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def rows(company: Installation, query: str) -> list[tuple[Any, ...]]:
    """The result of `query` on the warehouse."""
    with company.warehouse() as connection:
        return connection.execute(query).fetchall()


def january(company: Installation, kpi: str, *variants: str) -> dict[str, tuple[Decimal | None, str]]:
    """(value, status) of the company in January 2025."""
    found = rows(
        company,
        "select variant, round(value, 4), status from marts.kpi_scorecard__monthly where entity_type = 'company' "
        f"and period_month = date '2025-01-01' and kpi_id = '{kpi}'",
    )
    return {variant: (value, status) for variant, value, status in found if variant in variants}


def test_orders_of_two_sources_with_one_number_are_two_orders(company: Installation) -> None:
    found = rows(company, "select order_id, gross_amount from marts.fct_order_items order by order_id")
    assert found == [("1003", Decimal(1)), ("north:1001", Decimal(70)), ("south:1001", Decimal(30))]
    assert rows(company, "select order_id, region from marts.fct_refunds where refund_id = 'r1'") == [
        ("north:1001", "west")
    ]


def test_a_refund_of_no_order_counts_under_the_customer_and_the_region_it_names(company: Installation) -> None:
    refunds = rows(company, "select refund_id, customer_id, region, has_order from marts.fct_refunds order by 1")
    assert refunds == [("r1", "ada", "west", True), ("r2", "bob", "east", False), ("r3", None, None, False)]
    net = (
        "select entity_id, net_amount from marts.kpi_revenue "
        "where grain = 'month' and entity_type = 'region' and orders > 0"
    )
    assert rows(company, f"{net} order by 1") == [("east", Decimal(27)), ("west", Decimal(64))]
    assert rows(company, "select customer_id, net_amount from marts.kpi_clv__customer order by 1") == [
        ("ada", Decimal(63)),
        ("bob", Decimal(27)),
    ]


def test_deals_without_a_creation_date_are_won_or_lost_when_they_close(company: Installation) -> None:
    found = january(
        company, "win_rate", "closed_count", "average_deal", "created_count", "created_value", "cycle_days_median"
    )
    assert found == {
        "closed_count": (Decimal("0.5"), "small_sample"),
        "average_deal": (Decimal(100), "small_sample"),
        "created_count": (None, "no_source"),
        "created_value": (None, "no_source"),
        "cycle_days_median": (None, "no_source"),
    }


def test_open_deals_without_a_creation_date_are_in_the_pipeline_from_their_delivery_on(company: Installation) -> None:
    pipeline = rows(
        company, "select date_day::varchar, stage, open_opportunities from marts.fct_pipeline_daily order by 2"
    )
    assert pipeline == [("2025-01-31", "Closed Won", 1), ("2025-01-31", "Proposal", 1)]  # the first has no closing date


def test_leads_without_a_date_convert_and_are_in_no_cohort(company: Installation) -> None:
    leads = rows(
        company,
        "select leads, conversions from marts.kpi_lead_conversion "
        "where grain = 'month' and entity_type = 'company' and period_start = date '2025-01-01'",
    )
    assert leads == [(1, 1)]


def test_rows_that_are_left_out_break_no_rule_that_blocks_publication(company: Installation) -> None:
    warehouse = company.data_dir / "warehouse.duckdb"
    with company.warehouse():  # opening the file for each suite would take longer than checking it
        failed = [
            (result.table, result.check, result.observed)
            for (stage, table), suite in load_suites(PROJECT_DIR / "expectations").items()
            if stage == "marts" and table.startswith("kpi_") and "scorecard" not in table
            for result in validate(suite, DuckDBTable(warehouse, stage, table))
            if not result.passed and result.severity == "critical"
        ]
    assert failed == []


def test_every_row_that_is_left_out_is_listed_with_its_reason(company: Installation) -> None:
    found = rows(
        company,
        "select source, entity, left_out_of, reason, is_expected, left_out_rows, first_row_number "
        "from intermediate.int_left_out_rows order by all",
    )
    every, of_customers = "every KPI", "retention, lifetime value and acquisition cost"
    assert found == [
        ("north", "order_items", every, "of orders that do not count", True, 1, 3),
        ("north", "orders", every, "without a date", False, 1, 3),
        ("north", "orders", of_customers, "without a customer", False, 1, 4),
        ("north", "refunds", every, "without a date", False, 1, 5),
        ("north", "refunds", "retention and lifetime value", "without a known order or customer", False, 1, 4),
        ("office", "leads", "conversion by cohort, the funnel and cost per lead", "without a creation date", False, 1,
         3),
        ("office", "leads", every, "merged with the first lead of the same person", True, 1, 4),
        ("office", "nps_responses", every, "with a score off the scale", False, 1, 3),
        ("office", "nps_responses", every, "without a date", False, 1, 4),
        ("office", "opportunities", "win rate by close, bookings and cycle times",
         "closed without a date, counted as open", False, 1, 5),
        ("office", "opportunities", "win rate by creation and cycle times", "without a creation date", False, 3, 2),
        ("south", "order_items", every, "of orders that do not count", True, 1, 3),
        ("south", "orders", every, "after the as-of date", True, 1, 3),
    ]  # fmt: skip


def test_every_row_that_counts_nowhere_is_known_by_day_and_cut(company: Installation) -> None:
    found = rows(
        company,
        "select entity, reason, cast(day as varchar), channel, rep, region, left_out_rows "
        "from intermediate.int_left_out_days order by all nulls first",
    )
    assert found == [
        ("leads", "merged with the first lead of the same person", "2025-01-06", "unassigned", "sdr", None, 1),
        ("nps_responses", "with a score off the scale", "2025-01-15", None, None, "unassigned", 1),
        ("nps_responses", "without a date", None, None, None, "unassigned", 1),
        ("opportunities", "closed without a date, counted as open", None, None, "rep-a", "unassigned", 1),
        ("order_items", "of orders that do not count", None, "web", "unassigned", "west", 1),
        ("order_items", "of orders that do not count", "2025-02-01", "web", "unassigned", "east", 1),
        ("orders", "after the as-of date", "2025-02-01", "web", "unassigned", "east", 1),
        ("orders", "without a date", None, "web", "unassigned", "west", 1),
        ("refunds", "without a date", None, "web", "unassigned", "west", 1),
    ]


def test_what_somebody_should_look_into_is_said_in_a_few_lines(company: Installation, tmp_path: Path) -> None:
    published = tmp_path / "published"
    published.mkdir()
    with duckdb.connect(str(published / "kpi.duckdb")) as connection:
        connection.execute(f"attach '{company.data_dir / 'warehouse.duckdb'}' as warehouse (read_only)")
        connection.execute("create schema meta")
        connection.execute("create table meta.left_out_rows as from warehouse.intermediate.int_left_out_rows")
    assert left_out_lines(published) == [
        "Left out of every KPI: 1 survey answer with a score off the scale, 1 survey answer without a date, "
        "1 order without a date, 1 refund without a date.",
        "Left out of conversion by cohort, the funnel and cost per lead: 1 lead without a creation date.",
        "Left out of retention and lifetime value: 1 refund without a known order or customer.",
        "Left out of retention, lifetime value and acquisition cost: 1 order without a customer.",
        "Left out of win rate by close, bookings and cycle times: 1 deal closed without a date, counted as open.",
        "Left out of win rate by creation and cycle times: 3 deals without a creation date. See meta.left_out_rows.",
    ]
