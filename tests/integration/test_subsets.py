"""Any subset of sources works: KPIs that can be computed are computed, and the others say that they have no source.

Other tests run the whole job with orders alone (`test_readme`). Here models are built and checked in the warehouse. The
nightly tests also run the whole job with these subsets.
"""

import shutil
from pathlib import Path

import pytest

from tests.conftest import Installation, deliver_demo

LAST_DELIVERY = "2025-11-10"  # the historical delivery is enough
OF_ORDERS = {
    *(("revenue", variant) for variant in ("net", "gross", "orders", "aov", "new_customer_net", "repeat_net")),
    ("sales_growth", "mom"),
    ("clv", "historic_30d"),
    ("clv", "lifetime"),
    ("retention", "logo"),
    ("retention", "repeat_purchase"),
}
OF_DEALS = {("win_rate", "closed_count"), ("win_rate", "created_value"), ("revenue", "bookings")}
OF_LEADS = {("lead_conversion", "cohort_ever"), ("lead_conversion", "activity")}
OF_ADS_AND_ORDERS = {("cac", "paid"), ("cac", "blended"), ("cac", "roas")}
OF_SURVEYS = {("nps", "period"), ("nps", "trailing_90d"), ("nps", "response_rate")}

SUBSETS = {
    "crm": (OF_DEALS | OF_LEADS, OF_ORDERS | OF_ADS_AND_ORDERS | OF_SURVEYS),
    "survey": (OF_SURVEYS, OF_ORDERS | OF_DEALS | OF_LEADS | OF_ADS_AND_ORDERS),
    "shop,ads,finance": (OF_ORDERS | OF_ADS_AND_ORDERS, OF_DEALS | OF_LEADS | OF_SURVEYS | {("cac", "cpl")}),
}


@pytest.fixture(scope="module")
def deliveries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo company's deliveries."""
    return deliver_demo(tmp_path_factory.mktemp("deliveries")).data_dir / "landing"


@pytest.fixture(scope="module", params=SUBSETS)
def subset(request: pytest.FixtureRequest, deliveries: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation with some of the demo's sources, after its historical delivery."""
    data_dir = tmp_path_factory.mktemp("subset")
    # Exchange rates are delivered by finance. An installation without it sells in one currency.
    installation = Installation(data_dir, environment={"KPI_SOURCES": request.param})
    shutil.copytree(deliveries, data_dir / "landing")
    if "finance" not in request.param:
        sell_in_euros_only(data_dir / "landing")
    keep_the_historical_delivery_only(data_dir / "landing")
    installation.build()
    return installation


def keep_the_historical_delivery_only(landing: Path) -> None:
    """Keep as much as is meaningful, so that the test is fast."""
    for file in landing.rglob("*_2*"):
        if file.is_file() and LAST_DELIVERY not in file.name:
            file.unlink()


def sell_in_euros_only(landing: Path) -> None:
    """Rewrite the CRM's currencies."""
    for file in (landing / "crm" / "opportunities").glob(f"*{LAST_DELIVERY}*"):
        text = file.read_text(encoding="utf-8")
        for code in ("PLN", "USD", "GBP"):
            text = text.replace(f'"{code}"', '"EUR"')
        file.write_text(text, encoding="utf-8")


@pytest.mark.nightly
def test_what_can_be_computed_is_and_the_rest_has_no_source(subset: Installation) -> None:
    computed, missing = SUBSETS[subset.environment["KPI_SOURCES"]]
    with subset.warehouse() as connection:
        statuses: dict[tuple[str, str], set[str]] = {}
        for kpi, variant, status in connection.execute(
            "select kpi_id, variant, status from marts.kpi_scorecard where entity_type = 'company'"
        ).fetchall():
            statuses.setdefault((kpi, variant), set()).add(status)
        [(variants,)] = connection.execute("select count(*) from marts.kpi_variants").fetchall()
        rows = connection.execute(
            "select grain, kpi_id, variant, count(*) from marts.kpi_scorecard as shown "
            "where entity_type = 'company' and variant <> 'qoq' group by 1, 2, 3 "
            "having count(*) <> (select count(*) from marts.dim_period as period where period.grain = shown.grain)"
        ).fetchall()
    assert len(statuses) == variants
    assert rows == []
    assert {variant: statuses[variant] for variant in missing} == {key: {"no_source"} for key in missing}
    assert {variant for variant in computed if not statuses[variant] & {"ok", "small_sample"}} == set()


@pytest.mark.nightly
def test_the_whole_job_publishes_what_can_be_computed(subset: Installation) -> None:
    subset.kpi("run", "--date", LAST_DELIVERY)
    subset.assert_published("kpi_scorecard__monthly")


# ------------------------------------------------------------------------------------- three orders in three levels

SETTINGS = """\
sources: [{source}]
company_dir: .
first_delivery: 2025-01-31
time_zone: UTC
reporting_currency: EUR
"""
SOURCE = """\
description: A shop.
connector: files
owner: team:commerce
sla: "06:00"
entities: [{entities}]
tables:
  sales:
    description: What was sold.
    path: sales_{{delivered_on}}.csv
    format: csv
    columns: [order_id, line, customer_id, day, amount]
    key: [order_id, line]
"""
BASE = """\
{{{{ delivery_log('{source}', 'sales', [
    ['order_id', 'text', {{'required': true}}], ['line', 'text', {{'required': true}}], ['customer_id', 'text'],
    ['day', 'date', {{'required': true}}], ['amount', 'decimal', {{'required': true}}],
]) }}}}
"""
HEADER = (
    "cast(day as timestamp) as ordered_at, cast(null as varchar) as status, 'EUR' as currency_code, 'web' as channel, "
)
HEADER += "cast(null as varchar) as region, cast(null as varchar) as rep_id, cast(null as timestamp) as updated_at, "
HEADER += "false as is_deleted, _source_file, _row_number, _delivered_on"
LINE = "concat(order_id, line) as order_item_id, order_id, cast(null as varchar) as product_id, 1 as quantity, "
LINE += "amount as unit_price, 0 as discount_amount, 0 as tax_amount, cast(null as decimal(18, 6)) as unit_cost"
LATEST = "with sales as ({{{{ latest_rows('{source}', 'sales') }}}}) "
LEVELS = {
    "totals": {"orders": LATEST + "select order_id, customer_id, amount as total_amount, " + HEADER + " from sales"},
    "lines": {"order_items": LATEST + "select " + LINE + ", customer_id, " + HEADER + " from sales"},
    "both": {
        "orders": LATEST + "select order_id, customer_id, " + HEADER + " from sales where line = '1'",
        "order_items": LATEST + "select " + LINE + ", _source_file, _row_number, _delivered_on from sales",
    },
}
WHOLE = "order_id,line,customer_id,day,amount\nA,1,X,2025-01-02,30.00\nB,1,X,2025-01-20,12.50\nC,1,Y,2024-12-31,7.00\n"
SPLIT = WHOLE.replace("A,1,X,2025-01-02,30.00\n", "A,1,X,2025-01-02,10.00\nA,2,X,2025-01-02,20.00\n")


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Installation]:
    """The same three orders, delivered as totals, as lines, and as orders with lines."""
    shops = {}
    for level, staging in LEVELS.items():
        company = tmp_path_factory.mktemp(level)
        models = company / "models" / "staging" / level
        write(company / "kpi.yml", SETTINGS.format(source=level))
        write(company / "sources" / f"{level}.yml", SOURCE.format(entities=", ".join(staging)))
        write(models / "sources.yml", f"sources: [{{name: {level}, tables: [{{name: sales}}]}}]\n")
        write(models / f"base_{level}__sales.sql", BASE.format(source=level))
        for entity, query in staging.items():
            write(models / f"stg_{level}__{entity}.sql", query.format(source=level) + "\n")
        write(company / "data" / "landing" / "sales_2025-01-31.csv", WHOLE if level == "totals" else SPLIT)
        shops[level] = Installation(company / "data", company / "kpi.yml")
        shops[level].build(models="+kpi_revenue")
    return shops


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.nightly
def test_order_totals_lines_and_both_give_the_same_revenue(shops: dict[str, Installation]) -> None:
    found = {}
    for level, shop in shops.items():
        with shop.warehouse() as connection:
            found[level] = connection.execute("select * from marts.kpi_revenue order by all").fetchall()
            january = connection.execute(
                "select orders, net_amount, new_customer_net_amount, average_order_value "
                "from marts.kpi_revenue "
                "where grain = 'month' and entity_type = 'company' and period_start = date '2025-01-01'"
            ).fetchall()
        assert [tuple(map(float, row)) for row in january] == [(2, 42.5, 30, 21.25)], level
    assert found["totals"] == found["lines"] == found["both"]


@pytest.mark.nightly
def test_lines_alone_count_each_order_once(shops: dict[str, Installation]) -> None:
    with shops["lines"].warehouse() as connection:
        counts = connection.execute(
            "select count(*), count(distinct order_id), sum(gross_amount)::double from marts.fct_order_items"
        ).fetchall()
    assert counts == [(4, 3, 49.5)]
