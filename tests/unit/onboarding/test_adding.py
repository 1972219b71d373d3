"""From a file to the draft of a source: the entity, its columns, the key, and the files as a person writes them."""

import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
import pytest
from rich.console import Console

from pipelines.cli.printing.source_draft import print_addition
from pipelines.config_files import ConfigError, load_yaml_model
from pipelines.onboarding.adding import Options, add_sources
from pipelines.onboarding.entities import entity_columns, synonyms
from pipelines.onboarding.mapping import propose
from pipelines.onboarding.proposals import PLACE, Proposal, quoted, text
from pipelines.onboarding.recognising import scores
from pipelines.onboarding.sniffing import UnrecognisedError, describe_file
from pipelines.settings import Settings, load_settings
from pipelines.sources import SourceFile
from tests.conftest import PROJECT_DIR


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An installation that has no source of its own yet."""
    return load_settings().model_copy(
        update={"company_dir": tmp_path / "company", "data_dir": tmp_path / "data", "reporting_currency": "EUR"}
    )


def proposed(folder: Path, content: str, name: str = "export.csv", entity: str | None = None) -> Proposal:
    """How a file with that content is recognised."""
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return propose(describe_file(path), path.stem, "EUR", entity)


def made_from(proposal: Proposal) -> dict[str, str]:
    """Entity column: delivered column."""
    return {mapped.name: mapped.column.name for mapped in proposal.columns if mapped.column}


def add(settings: Settings, file: Path, table: str | None = None, entity: str | None = None, **options: Any) -> str:
    """Run the command on `file`, and return what it printed."""
    console = Console(width=200, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    given = Options(tables=(table,) if table else (), entities={"": entity} if entity else {}, **options)
    print_addition(add_sources([str(file)], settings, given), console)
    return console.export_text()


# --- Which entity, which columns --------------------------------------------------------------------------------------


def test_every_entity_can_be_recognised_and_its_synonyms_are_of_columns_it_has() -> None:
    listed = entity_columns()
    assert set(synonyms()) == set(listed)
    for entity, known in synonyms().items():
        assert list(known.columns) == [*listed[entity], *(["total_amount"] if entity == "orders" else [])]
        assert {*known.required, *known.telling, *known.otherwise, *chain(*known.keys)} <= set(known.columns)
        for names in known.columns.values():
            assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "header", "row", "entity"),
    [
        ("a", "id,created_at,total_price,currency,financial_status,email", "1,2025-01-31,9.5,EUR,paid,a@b.c", "orders"),
        ("a", "Bestellnummer;Kundennummer;Bestelldatum;Nettobetrag", "7;12;31.01.2025;1,5", "orders"),
        ("a", "pedido;cliente;data_pedido;valor_total", "7;12;31/01/2025;1,5", "orders"),
        ("a", "order_id,line_number,sku,qty,unit_price", "7,1,A,2,9.5", "order_items"),
        ("a", "Email,First Name,Lead Source,Lead Status,Created Date", "a@b.example,A,web,new,2025-01-31", "leads"),
        ("a", "Deal - ID,Deal - Stage,Deal - Value,Deal - Status", "7,Offer,9.5,won", "opportunities"),
        ("a", "Day,Campaign,Impressions,Clicks,Cost", "2025-01-31,brand,100,5,1.5", "ad_spend"),
        ("a", "customer_id,email,full_name,country,created_at", "7,a@b.c,Ana Souza,BR,2025-01-31", "customers"),
        ("a", "refund_id,order_id,refund_date,refund_amount", "7,1,2025-01-31,9.5", "refunds"),
        ("a", "respondent_id,nps_score,submitted_at", "7,9,2025-01-31 10:00:00", "nps_responses"),
        ("a", "sku,product_name,category,unit_cost", "A,Chair,furniture,9.5", "products"),
        ("fx_rates", "date,currency,rate", "2025-01-31,USD,0.96", "fx_rates"),
        ("targets", "rep_id,month,target", "7,2025-01-01,5000", "quotas"),
        ("costs", "month,category,amount", "2025-01-01,people,5000", "sales_marketing_costs"),
    ],
)
def test_entities_are_recognised_by_their_columns(
    tmp_path: Path, name: str, header: str, row: str, entity: str
) -> None:
    found = proposed(tmp_path, f"{header}\n{row}\n", f"{name}.csv")
    assert found.entity == entity
    assert not found.missing


def test_scores_of_all_entities_come_with_their_reasons(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("Order Number,Order Date,Total\n1,2025-01-31,9.5\n1,2025-01-31,9.5\n", encoding="utf-8")
    found = scores(describe_file(path), "orders")
    assert {score.entity for score in found} == set(synonyms())
    assert [score.points for score in found] == sorted((score.points for score in found), reverse=True)
    [orders] = [score for score in found if score.entity == "orders"]
    assert {"Order Number reads as order_id", "the name says orders"} <= set(orders.reasons)
    assert "Order Number repeats" in orders.reasons


@pytest.mark.parametrize(
    ("name", "entity", "columns", "key"),
    [
        (
            "ad_spend/Marketing_sinderpreet.csv",
            "ad_spend",
            {"spend_date": "c_date", "campaign_id": "campaign_id", "spend": "mark_spent", "clicks": "clicks"},
            ("c_date", "campaign_id"),
        ),
        (
            "cdnow/CDNOW_master.txt",
            "orders",
            {"customer_id": "customer_id", "ordered_at": "date", "total_amount": "dollar_value"},
            PLACE,
        ),
        (
            "nps_airlines/input_01.csv",
            "nps_responses",
            {"customer_id": "CustomerID", "score": "How likely are you to recommend this airline?"},
            PLACE,
        ),
        (
            "olist_funnel/olist_marketing_qualified_leads_dataset.csv",
            "leads",
            {"lead_id": "mql_id", "created_at": "first_contact_date", "source": "origin"},
            ("mql_id",),
        ),
        (
            "olist_orders/olist_orders_dataset.csv",
            "orders",
            {"order_id": "order_id", "ordered_at": "order_purchase_timestamp", "status": "order_status"},
            ("order_id",),
        ),
        (
            "olist_orders/olist_order_items_dataset.csv",
            "order_items",
            {"order_id": "order_id", "product_id": "product_id", "unit_price": "price"},
            ("order_id", "order_item_id"),
        ),
        ("olist_orders/olist_customers_dataset.csv", "customers", {"customer_id": "customer_id"}, ("customer_id",)),
        ("olist_orders/olist_products_dataset.csv", "products", {"product_id": "product_id"}, ("product_id",)),
        ("olist_orders/olist_order_reviews_dataset.csv", "nps_responses", {"score": "review_score"}, PLACE),
    ],
)
def test_real_files_are_recognised(
    real_data_dir: Path, name: str, entity: str, columns: dict[str, str], key: tuple[str, ...]
) -> None:
    path = real_data_dir / name
    found = propose(describe_file(path), path.stem, "EUR")
    assert found.entity == entity
    assert columns.items() <= made_from(found).items()
    assert found.key == key


def test_won_deals_of_the_real_funnel_miss_what_says_which_were_lost(real_data_dir: Path) -> None:
    path = real_data_dir / "olist_funnel" / "olist_closed_deals_dataset.csv"
    found = propose(describe_file(path), path.stem, "BRL")
    assert found.entity == "opportunities"
    assert [mapped.name for mapped in found.missing] == ["is_won", "is_closed"]


def test_columns_that_mean_nothing_here_are_refused_unless_the_entity_is_named(tmp_path: Path) -> None:
    content = "foo,bar\n1,x\n2,y\n"
    with pytest.raises(UnrecognisedError, match=r"none of this project's entities: foo, bar.*--entity"):
        proposed(tmp_path, content)
    assert [mapped.name for mapped in proposed(tmp_path, content, entity="orders").missing] == ["ordered_at"]
    with pytest.raises(UnrecognisedError, match="'ordrs' is not an entity"):
        proposed(tmp_path, content, entity="ordrs")


def test_a_column_of_the_right_name_and_the_wrong_content_is_not_taken(tmp_path: Path) -> None:
    found = proposed(tmp_path, "order_id,order_date,total\n1,Monday,9.5\n2,Tuesday,1.5\n", entity="orders")
    [ordered_at] = found.missing
    assert ordered_at.hint == "order_date contains text, not timestamp"


def test_a_date_that_reads_two_ways_is_left_to_map(tmp_path: Path) -> None:
    found = proposed(tmp_path, "order_id,order_date,total\n1,01/02/2025,9.5\n2,03/04/2025,1.5\n")
    [ordered_at] = found.missing
    assert ordered_at.hint == "order_date can be read as dd/mm/yyyy or mm/dd/yyyy. Specify which with --dates"


# --- Which key --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "key", "newest_by"),
    [
        ("order_id,order_date,total\nA,2025-01-01,1\nB,2025-01-01,1\n", ("order_id",), None),
        ("order_id,order_date,total\nA,2025-01-01,1\nA,2025-01-02,1\n", PLACE, None),
        ("order_id,order_date,total\nA,2025-01-01,1\n,2025-01-02,1\n", PLACE, None),
        ("customer_id,order_date,total\nA,2025-01-01,1\nB,2025-01-02,1\n", PLACE, None),
        ("receipt_id,order_date,total\nA,2025-01-01,1\nB,2025-01-02,1\n", ("receipt_id",), None),
        (
            "order_id,order_date,total,updated_at\nA,2025-01-01,1,2025-01-01\nA,2025-01-01,2,2025-01-02\n",
            ("order_id",),
            "updated_at",
        ),
    ],
)
def test_keys_are_unique_and_never_a_reference_to_something_else(
    tmp_path: Path, content: str, key: tuple[str, ...], newest_by: str | None
) -> None:
    found = proposed(tmp_path, content, "orders.csv", "orders")
    assert (found.key, found.newest_by) == (key, newest_by)


# --- The files --------------------------------------------------------------------------------------------------------

ORDERS = (
    'number,customer,placed,total,E-mail\n1,A,31.01.2025,"1.234,50",a@b.example\n2,B,30.01.2025,"10,00",c@d.example\n'
)


def test_the_draft_is_what_the_readme_shows(tmp_path: Path, settings: Settings) -> None:
    file = tmp_path / "orders_2025-01-31.csv"
    file.write_text(ORDERS, encoding="utf-8")
    printed = add(settings, file, name="webshop", owner="team:commerce")
    company = settings.company_dir
    models = company / "models" / "staging" / "webshop"
    assert (
        (company / "sources" / "webshop.yml").read_text(encoding="utf-8")
        == """\
description: Webshop.
connector: files
owner: team:commerce
sla: "06:00"  # when, on the day after the delivery day, the delivery must be here
entities: [orders]

tables:
  orders:
    description: One row per order.
    path: webshop/orders_{delivered_on}.csv
    format: csv
    columns: [number, customer, placed, total, E-mail]
    personal_columns: [E-mail]
    key: [number]
    date_column: placed
    empty_day: allowed  # days without a delivery are normal
"""
    )
    assert (
        (models / "_webshop__sources.yml").read_text(encoding="utf-8")
        == """\
sources:
- name: webshop
  tables:
  - name: orders
"""
    )
    assert (
        (models / "base_webshop__orders.sql").read_text(encoding="utf-8")
        == """\
-- Every delivered row of webshop.orders, typed; one row per delivered row.
-- Personal and not used here, so they stay in raw: E-mail.
{{ delivery_log('webshop', 'orders', [
    ['number', 'text', {'required': true}],
    ['customer', 'text'],
    ['placed', 'date', {'required': true, 'format': 'dd.mm.yyyy'}],
    ['total', 'decimal', {'decimal': ','}],
]) }}
"""
    )
    assert (
        (models / "stg_webshop__orders.sql").read_text(encoding="utf-8")
        == """\
-- Orders of webshop, newest version; one row per order.
-- Delivered and not used: E-mail.
with

latest as (
    {{ latest_rows('webshop', 'orders') }}
)

select
    number as order_id,
    customer as customer_id,
    {{ try_timestamp('cast(placed as string)', var('time_zone')) }} as ordered_at,
    cast(null as string) as status,  {# TODO map: {{ order_status('COLUMN') }} as status; type text #}
    '{{ var("reporting_currency") }}' as currency_code,
    cast(null as string) as channel,  {# TODO map: {{ clean_label('COLUMN') }} as channel; type text #}
    cast(null as string) as region,  {# TODO map: {{ clean_label('COLUMN') }} as region; type text #}
    cast(null as string) as rep_id,  {# TODO map: COLUMN as rep_id; type text #}
    cast(null as timestamp) as updated_at,  {# TODO map: COLUMN as updated_at; type timestamp #}
    false as is_deleted,
    total as total_amount,
    _source_file,
    _row_number,
    _delivered_on
from latest
"""
    )
    assert "a@b.example" not in printed
    for step in (
        f"Put the file here: {settings.landing_dir / 'webshop' / 'orders_2025-01-31.csv'}",
        "sources: [webshop]",
        "first_delivery: 2025-01-31",
        "kpi sources check",
        "kpi run",
    ):
        assert step in printed
    assert file.exists()


def test_what_is_required_and_missing_is_drafted_and_said(tmp_path: Path, settings: Settings) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("order_id,order_date,total\n1,2025-01-14,9.5\n2,01/15/2025,1.5\n", encoding="utf-8")
    printed = add(settings, file, name="webshop")
    model = settings.company_dir / "models" / "staging" / "webshop" / "stg_webshop__orders.sql"
    assert "The models do not build until these are mapped: ordered_at" in printed
    assert "the delivery day in its name" in printed
    assert "{{ unmapped('ordered_at', 'timestamp') }} as ordered_at," in model.read_text(encoding="utf-8")
    file.write_text("order_id,order_date,total\n1,01/14/2025,9.5\n2,01/15/2025,1.5\n", encoding="utf-8")
    again = add(settings, file, name="webshop", force=True)
    assert "do not build" not in again
    assert "unmapped" not in model.read_text(encoding="utf-8")


def test_lines_that_carry_their_order_and_a_buyer_known_by_mail_only(tmp_path: Path, settings: Settings) -> None:
    file = tmp_path / "my_shop_export.csv"
    file.write_text(
        "Name,Email,Financial Status,Currency,Total,Created at,Lineitem quantity,Lineitem name,Lineitem price\n"
        "#1001,a@b.example,paid,USD,30.00,2025-01-31 10:00:00 +0100,2,Chair,10.00\n"
        "#1001,a@b.example,paid,USD,30.00,2025-01-31 10:00:00 +0100,1,AlertService,10.00\n",
        encoding="utf-8",
    )
    add(settings, file, name="my_shop")
    folder = settings.company_dir / "models" / "staging" / "my_shop"
    model = (folder / "stg_my_shop__order_items.sql").read_text(encoding="utf-8")
    for line in (
        "{{ surrogate_key(['_source_file', '_row_number']) }} as order_item_id,",
        "Name as order_id,",
        '"Lineitem name" as product_id,',
        '"Lineitem quantity" as quantity,',
        '"Lineitem price" as unit_price,',
        "{{ email_key('Email') }} as customer_id,",
        '"Created at" as ordered_at,',
        "{{ order_status('\"Financial Status\"') }} as status,",
        "upper(Currency) as currency_code,",
    ):
        assert f"    {line}\n" in model
    base = (folder / "base_my_shop__order_items.sql").read_text(encoding="utf-8")
    assert "['\"Created at\"', 'timestamp', {'required': true, 'time_zone': var('time_zone')}]," in base


def test_a_second_table_joins_the_source_and_leaves_the_rest_as_it_was(tmp_path: Path, settings: Settings) -> None:
    for name, content in {
        "orders_2025-01-31.csv": ORDERS,
        "customers_2025-01-31.csv": "customer_id,email,country\nA,a@b.example,PL\nB,c@d.example,DE\n",
    }.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    add(settings, tmp_path / "orders_2025-01-31.csv", name="webshop")
    path = settings.company_dir / "sources" / "webshop.yml"
    before = path.read_text(encoding="utf-8").replace("description: Webshop.", "description: Ours.  # and mine")
    path.write_text(before, encoding="utf-8")
    add(settings, tmp_path / "customers_2025-01-31.csv", name="webshop")
    after = path.read_text(encoding="utf-8")
    source = load_yaml_model(path, SourceFile)
    assert source.entities == ["orders", "customers"]
    assert list(source.tables) == ["orders", "customers"]
    assert after.startswith(before.replace("entities: [orders]", "entities: [orders, customers]"))
    models = settings.company_dir / "models" / "staging" / "webshop" / "_webshop__sources.yml"
    assert models.read_text(encoding="utf-8").endswith("  - name: orders\n  - name: customers\n")


def test_a_source_written_in_another_way_is_left_alone(tmp_path: Path, settings: Settings) -> None:
    file = tmp_path / "customers.csv"
    file.write_text("customer_id,email\nA,a@b.example\n", encoding="utf-8")
    path = settings.company_dir / "sources" / "webshop.yml"
    path.parent.mkdir(parents=True)
    before = (
        "{description: Ours, connector: files, owner: team:a, sla: '06:00', entities: [orders], tables: "
        "{orders: {description: O, path: 'o_{delivered_on}.csv', format: csv, columns: [a], key: [a]}}}\n"
    )
    path.write_text(before, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"Add `customers` to `entities`, and this below `tables`:\n  customers:"):
        add(settings, file, name="webshop")
    assert path.read_text(encoding="utf-8") == before
    assert not (settings.company_dir / "models").exists()


@pytest.mark.parametrize("what", ["name", "table"])
def test_nothing_is_written_over_without_force(tmp_path: Path, settings: Settings, what: str) -> None:
    file = tmp_path / "orders_2025-01-31.csv"
    file.write_text(ORDERS, encoding="utf-8")
    add(settings, file, name="webshop")
    written = {path: path.read_text(encoding="utf-8") for path in settings.company_dir.rglob("*") if path.is_file()}
    options = {"name": "webshop"} if what == "name" else {"name": "webshop", "table": "more_orders"}
    with pytest.raises(ConfigError, match="--force"):
        add(settings, file, **options)
    assert written == {
        path: path.read_text(encoding="utf-8") for path in settings.company_dir.rglob("*") if path.is_file()
    }
    add(settings, file, name="webshop", force=True)


def test_names_of_shipped_sources_and_names_without_letters_are_refused(tmp_path: Path, settings: Settings) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(ORDERS, encoding="utf-8")
    with pytest.raises(ConfigError, match="'shop' is the name of a shipped source"):
        add(settings, file, name="shop")
    with pytest.raises(ConfigError, match="contains no letter"):
        add(settings, file, name="2025")
    assert not settings.company_dir.exists()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"dates": "yyyy"}, "--dates: 'yyyy'"),
        ({"decimal": ";"}, "--decimal: ';'"),
        ({"encoding": "ebcdic"}, "--encoding: 'ebcdic'"),
        ({"entity": "ordrs"}, "--entity: 'ordrs'"),
        ({"owner": "somebody"}, "owner"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_written(
    tmp_path: Path, settings: Settings, options: dict[str, str], problem: str
) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(ORDERS, encoding="utf-8")
    with pytest.raises(ConfigError, match=problem):
        add(settings, file, name="webshop", **options)
    assert not settings.company_dir.exists()


def test_a_file_in_the_landing_folder_is_of_the_source_its_folder_names(tmp_path: Path, settings: Settings) -> None:
    file = settings.landing_dir / "webshop" / "orders_2025-01-31.csv"
    file.parent.mkdir(parents=True)
    file.write_text(ORDERS, encoding="utf-8")
    printed = add(settings, file)
    assert (settings.company_dir / "sources" / "webshop.yml").exists()
    assert "Put the file here" not in printed


@pytest.mark.parametrize(
    "name", ["plain", "Order Date", "order", 'a "quoted" one', "it's", "back\\slash", "1st", "łódź"]
)
def test_any_column_name_can_be_written_in_sql_and_yaml(tmp_path: Path, settings: Settings, name: str) -> None:
    with duckdb.connect() as connection:
        assert connection.execute(f"select {quoted(name)} from (select 1 as {quoted(name)})").fetchone() == (1,)
    file = tmp_path / "orders.csv"
    cell = '"' + name.replace('"', '""') + '"'
    file.write_text(f"order_id,order_date,total,{cell}\n1,2025-01-31,9.5,x\n2,2025-01-31,1.5,y\n", encoding="utf-8")
    add(settings, file, name="webshop")
    source = load_yaml_model(settings.company_dir / "sources" / "webshop.yml", SourceFile)
    assert source.tables["orders"].columns == ["order_id", "order_date", "total", name]
    base = (settings.company_dir / "models" / "staging" / "webshop" / "base_webshop__orders.sql").read_text("utf-8")
    assert f"['{text(name)}', 'text']" in base


def test_drafts_are_clean_sql(tmp_path: Path, settings: Settings) -> None:
    file = tmp_path / "orders_2025-01-31.csv"
    file.write_text(ORDERS, encoding="utf-8")
    add(settings, file, name="webshop")
    finished = subprocess.run(
        [sys.executable, "-m", "sqlfluff", "lint", "--config", str(PROJECT_DIR / ".sqlfluff"), settings.company_dir],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout


# --- A database table -------------------------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database of a shop, with its address in an environment variable."""
    path = tmp_path / "shop.db"
    import sqlite3

    with sqlite3.connect(path) as connection:
        connection.execute(
            "create table orders (id integer primary key, customer_id text, created_at timestamp, total numeric, "
            "updated_at timestamp, email text, phone text)"
        )
        connection.execute(
            "insert into orders values (7, 'A', '2025-01-31 10:00:00', 12.5, '2025-01-31 11:00:00', 'a@b.c', '1'),"
            " (8, 'A', '2025-02-01 10:00:00', 10, '2025-02-01 11:00:00', 'a@b.c', '1')"
        )
    connection.close()
    monkeypatch.setenv("SHOP_DATABASE", f"sqlite:///{path}")


@pytest.mark.usefixtures("database")
def test_a_database_table_becomes_a_source_that_fetches_it(settings: Settings) -> None:
    printed = add(settings, Path("postgresql-env:SHOP_DATABASE"), name="webshop", table="orders")
    text = (settings.company_dir / "sources" / "webshop.yml").read_text(encoding="utf-8")
    assert "connector: sql\nconnection_env: SHOP_DATABASE\n" in text
    assert "    fetch: {table: orders, cursor: updated_at, lag_days: 2}\n" in text
    assert "    key: [id]\n    newest_by: [updated_at]\n" in text
    assert (
        "    columns: [id, customer_id, created_at, total, updated_at]\n" in text
    )  # no e-mail, no phone: nothing uses them
    assert "path:" not in text
    model = settings.company_dir / "models" / "staging" / "webshop" / "stg_webshop__orders.sql"
    assert "    id as order_id,\n" in model.read_text(encoding="utf-8")
    assert "shop.db" not in printed + text


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("variable", "table", "problem"),
    [
        ("SHOP_DATABASE", "ordrs", "no table 'ordrs'"),
        ("NOT_SET", "orders", "NOT_SET: not set"),
        ("SHOP_DATABASE", None, "--table"),
        ("WRONG", "orders", "WRONG: the database cannot be queried"),
    ],
)
def test_a_database_that_cannot_be_asked_is_an_error_without_its_address(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, variable: str, table: str | None, problem: str
) -> None:
    monkeypatch.setenv("WRONG", "nonsense://user:secret@host/database")
    with pytest.raises(ConfigError, match=problem) as refused:
        add(settings, Path(f"postgresql-env:{variable}"), table=table)
    assert "secret" not in str(refused.value)
