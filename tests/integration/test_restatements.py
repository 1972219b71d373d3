"""Every published value of the past that changes is listed once, with the deliveries and rows that changed it."""

import gzip
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from demo_company import __main__ as demo_company
from pipelines.answers.parts import parts_of
from pipelines.publish import changed_rows
from pipelines.publish.restatements import build_restatements
from tests.conftest import Installation

AT = "12:00:00"  # of the corrections, in UTC
MORE_EXCLUDED = {"KPI_KPIS__EXCLUDED_ORDER_STATUSES": '["cancelled", "canceled", "paid"]'}
CELL = "grain, period_start, kpi_id, variant, entity_type, entity_id"
Cause = tuple[str, str | None, str | None, date | None, int, Decimal | None]


@dataclass(frozen=True)
class Planted:
    """Two publications of one installation, and what was planted in between."""

    installation: Installation
    before: Path
    day: date
    moved: str  # order that changed its channel from web to marketplace
    deleted: str
    cancelled: str
    month_of_deal: date  # in which a deal was won that is worth 1,000 more now
    grown: str  # customer whose segment was smb, and is enterprise
    merged: str  # customer who turned out to be another one
    recategorised: str  # product that was furniture, and is supplies

    def amount(self, order_id: str) -> Decimal:
        """An order's sales before the change."""
        with duckdb.connect(str(self.before), read_only=True) as connection:
            query = "select sum(gross_amount - discount_amount) from marts.fct_order_items where order_id = ?"
            [[amount]] = connection.execute(query, [order_id]).fetchall()
        return Decimal(amount)


@pytest.fixture(scope="module")
def planted(untouched_demo: Installation, tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """The demo company a day later, with late, corrected and deleted rows, a late refund, and another exchange rate.

    Of a customer, a product and a campaign, only what others refer to has changed.
    """
    data_dir = tmp_path_factory.mktemp("restated") / "data"
    shutil.copytree(untouched_demo.data_dir, data_dir, symlinks=True)
    return plant(replace(untouched_demo, data_dir=data_dir))


def plant(installation: Installation) -> Planted:
    """Deliver a day with everything, and run it."""
    data_dir = installation.data_dir
    landing = data_dir / "landing"
    assert demo_company.main(["--days", "1", "--no-truth", "--data-dir", str(data_dir)]) == 0
    before = (data_dir / "published" / "kpi.duckdb").resolve()
    day = max(date.fromisoformat(file.name[7:17]) for file in (landing / "shop/orders").glob("orders_*"))
    with duckdb.connect(str(before), read_only=True) as connection:
        [[moved], [deleted], [cancelled]] = connection.execute(
            """
            select distinct order_id
            from marts.fct_order_items
            where ordered_on >= '2025-12-01' and ordered_on < '2026-01-01' and channel = 'web' and currency_code = 'EUR'
                and order_id not in (select order_id from marts.fct_refunds) and customer_id is not null
            order by order_id
            limit 3
            """
        ).fetchall()
        [[refunded, item]] = connection.execute(
            "select order_id, order_item_id from marts.fct_order_items "
            "where ordered_on = '2025-12-12' and currency_code = 'EUR' order by all limit 1"
        ).fetchall()
        [[deal, month_of_deal]] = connection.execute(
            "select opportunity_id, cast(date_trunc('month', closed_on) as date) from marts.fct_opportunities "
            "where is_won and currency_code = 'EUR' and closed_on < '2025-12-01' order by closed_on desc limit 1"
        ).fetchall()
        [[grown], [merged], [other]] = connection.execute(
            """
            select customer_id
            from marts.dim_customer
            where segment = 'smb' and customer_id in (
                select customer_id from marts.fct_orders group by 1
                having max(ordered_on) between '2025-10-01' and '2025-10-31'
            )
            order by customer_id desc
            limit 3
            """
        ).fetchall()
        [[recategorised]] = connection.execute(
            "select product_id from marts.dim_product where category = 'furniture' order by product_id limit 1"
        ).fetchall()
    with duckdb.connect(str(data_dir / "warehouse.duckdb"), read_only=True) as warehouse:
        orders = [
            f"OLATE;C000001;2025-11-15 10:00:00;paid;EUR;web;north;;{day} {AT};false",
            _line(warehouse, "orders", moved, day, channel="marketplace", separator=";"),
            _line(warehouse, "orders", deleted, day, is_deleted="true", separator=";"),
            _line(warehouse, "orders", cancelled, day, status="cancelled", separator=";"),
        ]
        opportunity = _record(warehouse, "base_crm__opportunities", "id", deal)
        same_person = _record(warehouse, "base_shop__customers", "customer_id", other)["email"]
        customers = [
            _line(warehouse, "customers", grown, day, segment="enterprise"),
            _line(warehouse, "customers", merged, day, email=str(same_person)),
        ]
        products = [_line(warehouse, "products", recategorised, day, category="supplies")]
        campaigns = landing / f"ads/campaigns/campaigns_{day}.parquet"
        warehouse.execute(
            "copy (select campaign_id, 'event' as channel, platform, name, is_paid from staging.base_ads__campaigns "
            f"where platform = 'linkedin' and _is_newest) to '{campaigns}' (format parquet)"
        )
    _append(landing / f"shop/orders/orders_{day}.csv.gz", orders)
    _append(landing / f"shop/order_items/order_items_{day}.csv.gz", ["ILATE;OLATE;P52;1;100,00;0,00;0,00;60,00"])
    refund = f"FLATE;{refunded};{item};2025-12-20T10:00:00Z;10,00;EUR;changed_mind"
    _append(landing / f"shop/refunds/refunds_{day}.csv.gz", [refund])
    _append(landing / f"shop/customers/customers_{day}.csv", customers)
    _append(landing / f"shop/products/products_{day}.csv", products)
    rates = landing / f"finance/fx_rates/fx_rates_{day}.csv"
    head = rates.read_text() if rates.exists() else "rate_date,from_currency,to_currency,rate\n"
    rates.write_text(head + "2025-12-10,PLN,EUR,0.250000\n2025-12-11,PLN,EUR,0.240000\n")
    corrected = {**opportunity, "amount": float(opportunity["amount"]) + 1000, "updated_at": f"{day} {AT}"}
    deals = landing / f"crm/opportunities/opportunities_{day}.jsonl"
    deals.write_text((deals.read_text() if deals.exists() else "") + json.dumps(corrected, default=str) + "\n")
    installation.kpi("run")
    return Planted(installation, before, day, moved, deleted, cancelled, month_of_deal, grown, merged, recategorised)


def _record(warehouse: duckdb.DuckDBPyConnection, table: str, key: str, value: str) -> dict[str, object]:
    """The newest version of a delivered row."""
    found = warehouse.execute(f"select * from staging.{table} where {key} = ? and _is_newest", [value])
    names = [column[0] for column in found.description or ()]
    [row] = found.fetchall()
    return {name: cell for name, cell in zip(names, row, strict=True) if not name.startswith("_")}


def _line(
    warehouse: duckdb.DuckDBPyConnection, table: str, key: str, day: date, separator: str = ",", **changes: str
) -> str:
    """A line of one of the shop's files that corrects a row."""
    record = _record(warehouse, f"base_shop__{table}", f"{table[:-1]}_id", key)
    values = {**record, "updated_at": f"{day} {AT}", **changes}.values()
    return separator.join("" if value is None else str(value) for value in values).replace("False", "false")


def _append(file: Path, lines: list[str]) -> None:
    """Add lines to a day's file, or to the header of the table's files."""
    unpacked, packed = (gzip.decompress, gzip.compress) if file.suffix == ".gz" else (bytes, bytes)
    text = unpacked((file if file.exists() else min(file.parent.iterdir())).read_bytes()).decode()
    delivered = text.rstrip("\n") if file.exists() else text.splitlines()[0]
    file.write_bytes(packed("\n".join([delivered, *lines, ""]).encode()))


@pytest.fixture
def both(planted: Planted) -> Iterator[duckdb.DuckDBPyConnection]:
    """Both publications, attached as `before` and `after`."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{planted.before}' as before (read_only)")
        after = (planted.installation.data_dir / "published" / "kpi.duckdb").resolve()
        connection.execute(f"attach '{after}' as after (read_only)")
        yield connection


def causes(connection: duckdb.DuckDBPyConnection, start: str, variant: str, entity: str = "company") -> list[Cause]:
    """The causes for one month of a variant of revenue."""
    return connection.execute(
        """
        select cause, source, table_name, delivered_on, changed_rows, amount
        from after.meta.restatement_causes
        where publication_id = (select any_value(publication_id) from after.meta.publication)
            and grain = 'month' and period_start = cast(? as date) and kpi_id = 'revenue' and variant = ?
            and entity_id = ? and cause <> 'exchange rate'
        order by cause, table_name
        """,
        [start, variant, entity],
    ).fetchall()


def test_a_late_order_restates_its_month(planted: Planted, both: duckdb.DuckDBPyConnection) -> None:
    assert causes(both, "2025-11-01", "net") == [("late", "shop", "order_items", planted.day, 1, Decimal(100))]
    assert causes(both, "2025-11-01", "orders") == [("late", "shop", "orders", planted.day, 1, Decimal(1))]


def test_a_corrected_deal_restates_bookings(planted: Planted, both: duckdb.DuckDBPyConnection) -> None:
    assert causes(both, str(planted.month_of_deal), "bookings") == [
        ("corrected", "crm", "opportunities", planted.day, 1, Decimal(1000))
    ]


def test_deletion_cancellation_and_refund_are_told_apart(planted: Planted, both: duckdb.DuckDBPyConnection) -> None:
    by_cause = {cause: (table, amount) for cause, _, table, _, _, amount in causes(both, "2025-12-01", "net")}
    assert by_cause["deleted"] == ("orders", -planted.amount(planted.deleted))
    assert by_cause["corrected"] == ("orders", -planted.amount(planted.cancelled))
    assert by_cause["refund"] == ("refunds", Decimal(-10))


def test_an_order_that_changes_its_channel_moves_its_revenue(planted: Planted, both: duckdb.DuckDBPyConnection) -> None:
    moved, cancelled = planted.amount(planted.moved), planted.amount(planted.cancelled)
    corrected = {
        channel: {cause: amount for cause, *_, amount in causes(both, "2025-12-01", "net", channel)}["corrected"]
        for channel in ("web", "marketplace")
    }
    assert corrected == {"marketplace": moved, "web": -moved - cancelled}


def test_what_an_unchanged_row_refers_to_is_named_with_its_delivery(
    planted: Planted, both: duckdb.DuckDBPyConnection
) -> None:
    [[of_customer, of_product]] = both.execute(
        """
        select
            sum(if(customer_id = ?, gross_amount - discount_amount, 0)),
            sum(if(product_id = ?, gross_amount - discount_amount, 0))
        from before.marts.fct_order_items where ordered_on between '2025-10-01' and '2025-10-31'
        """,
        [planted.grown, planted.recategorised],
    ).fetchall()
    by_row = {
        entity: [
            (cause, table, day, amount) for cause, _, table, day, _, amount in causes(both, "2025-10-01", "net", entity)
        ]
        for entity in ("enterprise", "smb", "supplies", "furniture")
    }
    assert by_row == {
        "enterprise": [("related rows", "customers", planted.day, of_customer)],
        "smb": [("related rows", "customers", planted.day, -of_customer)],
        "supplies": [("related rows", "products", planted.day, of_product)],
        "furniture": [("related rows", "products", planted.day, -of_product)],
    }


def test_customers_who_are_one_person_are_one_customer_because_of_their_row(
    planted: Planted, both: duckdb.DuckDBPyConnection
) -> None:
    [row] = causes(both, "2025-10-01", "customers")
    assert row[:4] == ("related rows", "shop", "customers", planted.day)


def test_a_campaign_that_changes_its_channel_moves_its_spend(planted: Planted, both: duckdb.DuckDBPyConnection) -> None:
    found = both.execute(
        """
        select entity_id, cause, source, table_name, delivered_on, sum(amount)
        from after.meta.restatement_causes
        where grain = 'month' and period_start = '2025-10-01' and kpi_id = 'cac' and variant = 'spend'
            and entity_id in ('event', 'social')
        group by all
        order by all
        """
    ).fetchall()
    [[spend]] = both.execute(
        "select sum(spend_amount) from before.marts.fct_marketing_spend "
        "where platform = 'linkedin' and spend_date between '2025-10-01' and '2025-10-31'"
    ).fetchall()
    delivery = ("related rows", "ads", "campaigns", planted.day)
    assert found == [("event", *delivery, spend), ("social", *delivery, -spend)]


def test_no_cause_is_without_a_delivery_but_days_of_targets(both: duckdb.DuckDBPyConnection) -> None:
    """The days of a target weigh as much as the sales of a year, so that no single delivery decides."""
    unnamed = both.execute(
        "select distinct part from after.meta.restatement_causes where source is null and cause <> 'definition'"
    ).fetchall()
    assert unnamed == [("revenue_quota",)]


def test_another_exchange_rate_is_a_cause_of_its_own(both: duckdb.DuckDBPyConnection) -> None:
    expected = both.execute(
        """
        select sum(new.gross_amount - old.gross_amount)
        from before.marts.fct_order_items as old
        inner join after.marts.fct_order_items as new using (order_item_id)
        where old.fx_rate <> new.fx_rate and old.ordered_on between '2025-12-01' and '2025-12-31'
        """
    ).fetchall()
    found = both.execute(
        """
        select sum(amount) from after.meta.restatement_causes
        where grain = 'month' and period_start = '2025-12-01' and variant = 'gross' and entity_type = 'company'
            and cause = 'exchange rate'
        """
    ).fetchall()
    assert found == expected
    assert found[0][0] > 0


def test_exactly_the_values_that_differ_are_listed_once_and_each_has_a_cause(both: duckdb.DuckDBPyConnection) -> None:
    """A zero that is shown no more is no difference: a category has none before its first deal."""
    differing = both.execute(
        f"""
        select {CELL}, old.value, new.value
        from before.marts.kpi_scorecard as old
        left join after.marts.kpi_scorecard as new using ({CELL})
        inner join after.marts.kpi_variants using (kpi_id, variant)
        where settles and old.value is not null and old.is_mature and not old.is_partial_period
            and (new.value is null or new.value <> old.value)
            and not (old.value = 0 and old.denominator is null and new.kpi_id is null)
        order by all
        """
    ).fetchall()
    this = "publication_id = (select any_value(publication_id) from after.meta.publication)"
    listed = both.execute(
        f"select {CELL}, value_before, value_after from after.meta.restatements where {this} order by all"
    ).fetchall()
    assert listed == differing
    assert len(listed) > 300
    with_cause = both.execute(f"select distinct {CELL} from after.meta.restatement_causes where {this}").fetchall()
    assert sorted(with_cause, key=str) == sorted([row[:6] for row in listed], key=str)


def test_causes_sum_to_the_change_of_each_part(both: duckdb.DuckDBPyConnection) -> None:
    compared = 0
    for mart, kpi_id, variant, grain, where, part in both.execute(
        """
        select distinct
            measures.mart, measures.kpi_id, measures.variant, measures.grain, measures.where_sql, causes.part
        from after.marts.kpi_measures as measures
        inner join after.meta.restatement_causes as causes using (kpi_id, variant, grain)
        inner join after.marts.kpi_parts as parts on measures.mart = parts.mart and causes.part = parts.part
        inner join (
            select table_name, column_name from duckdb_columns() where database_name = 'after' and schema_name = 'marts'
        ) as columns on columns.table_name = measures.mart and columns.column_name = causes.part
        where parts.statistic = 'sum'
        order by all
        """
    ).fetchall():
        rows = both.execute(
            f"""
            select {CELL}, coalesce(new.{part}, 0) - coalesce(old.{part}, 0) as change, coalesce(sum(causes.amount), 0)
            from after.meta.restatements
            left join (select * from before.marts.{mart} where {where or "true"}) as old
                using (grain, period_start, entity_type, entity_id)
            left join (select * from after.marts.{mart} where {where or "true"}) as new
                using (grain, period_start, entity_type, entity_id)
            left join (select * from after.meta.restatement_causes where part = ?) as causes
                using ({CELL}, publication_id)
            where kpi_id = ? and variant = ? and grain = ?
            group by all
            """,
            [part, kpi_id, variant, grain],
        ).fetchall()
        assert [row for row in rows if row[-1] != row[-2]] == []
        compared += len(rows)
    assert compared > 500


@pytest.mark.nightly
def test_looking_at_changed_owners_only_finds_the_same_causes(
    planted: Planted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_causes() -> list[tuple[object, ...]]:
        candidate = shutil.copy(planted.installation.data_dir / "published" / "kpi.duckdb", tmp_path)
        with duckdb.connect() as connection:
            connection.execute(f"attach '{candidate}' as candidate")
            connection.execute(f"attach '{planted.installation.data_dir}/warehouse.duckdb' as warehouse (read_only)")
            connection.execute("drop table candidate.meta.restatements; drop table candidate.meta.restatement_causes")
            build_restatements(connection, SimpleNamespace(publication_id="", published_at=None), planted.before)
            return connection.execute("from candidate.meta.restatement_causes order by all").fetchall()

    def take_all(connection: duckdb.DuckDBPyConnection, *_: object) -> None:
        owners = " union ".join(
            f"select {owner} from {database}.marts.{table}"
            for database in ("previous", "candidate")
            for table, owner in changed_rows._OWNERS.items()
        )
        connection.execute(f"create or replace temp table changed_owners as {owners}")

    narrowed = find_causes()
    monkeypatch.setattr(changed_rows, "_find_owners", take_all)
    assert find_causes() == narrowed
    assert len(narrowed) > 300


def test_rows_that_join_those_of_an_owner_are_looked_at_with_them(both: duckdb.DuckDBPyConnection) -> None:
    """What else such rows join with is followed by reference."""
    marts = [mart for (mart,) in both.execute("select distinct mart from after.marts.kpi_parts").fetchall()]
    parts = [terms for mart in marts for terms in parts_of(both, mart, "after.marts").values()]
    joined = [set(re.findall(r"marts\.(\w+)", term.sql)) for terms in parts for term in terms if term.from_sql]
    owned = changed_rows._OWNERS.keys()
    with_owners = set().union(*(tables for tables in joined if tables & owned))
    assert with_owners - owned == {"dim_campaign", "dim_product", "dim_sales_rep"}
    assert with_owners - owned == {table for table, *_ in changed_rows._REFERENCES} - owned


def test_kpi_explain_tells_what_was_published_before(planted: Planted) -> None:
    printed = planted.installation.kpi("explain", "revenue", "--period", "2025-11").stdout
    assert "Restated on " in printed
    assert f"  late: 1 row of shop.order_items, delivered on {planted.day}, net_amount +100" in printed


@pytest.mark.nightly
def test_a_changed_definition_is_told_apart_from_changed_data(planted: Planted) -> None:
    """Last, since it publishes again: nothing was delivered, but orders that are only paid no longer count."""
    redefined = replace(planted.installation, environment={**planted.installation.environment, **MORE_EXCLUDED})
    redefined.kpi("run")
    this = "publication_id = (select any_value(publication_id) from meta.publication)"
    with redefined.published() as connection:
        found = connection.execute(
            f"select distinct cause, source from meta.restatement_causes where {this}"
        ).fetchall()
        sums = connection.execute(
            f"""
            select value_after - value_before, sum(amount)
            from meta.restatements
            inner join meta.restatement_causes using (publication_id, {CELL})
            where {this} and kpi_id = 'revenue' and variant in ('net', 'orders')
            group by value_before, value_after, {CELL}
            """
        ).fetchall()
        settings = connection.execute(
            "select distinct settings from meta.definition_changes "
            f"where {this} and kpi_id = 'revenue' and variant = 'net'"
        ).fetchall()
    assert found == [("definition", None)]
    assert len(sums) > 20
    assert [pair for pair in sums if pair[0] != pair[1]] == []
    assert [list(json.loads(value)) for (value,) in settings] == [["excluded_order_statuses"]]
