"""Whatever was delivered, in whatever order, with whatever builds killed in between: the warehouse equals the one that
a full refresh of the same raw produces.

`make test-nightly` tries 200 histories on all models that a shop's deliveries reach. `make test` tries a few histories,
and builds the marts of NOT_DAILY once. A result that equals a full refresh may have been built in full each time. The
tests below check what a build did not touch.
"""

import gzip
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.deliveries.model_inputs import ensure_files
from pipelines.ingest.landing import land
from pipelines.settings import Settings
from pipelines.sources import Source, Table, each_table, load_sources
from pipelines.warehouse import in_memory, reader
from tests.integration.dbt_in_process import DbtInProcess
from tests.integration.histories import AS_OF_DATE, CELLS, FIRST_DAY, Build, History, Land, deliveries, histories

SOURCES = ["shop", "office"]
NOT_DAILY = {
    # Without leads, spend and surveys they stay empty.
    "fct_leads", "fct_marketing_spend", "fct_nps_responses", "fct_opportunities",
    "fct_opportunity_stage_events", "fct_pipeline_daily", "fct_quota_daily", "kpi_cac", "kpi_funnel",
    "kpi_lead_conversion", "kpi_nps", "kpi_win_rate", "int_targets",
    "int_target_weights",
    # Others are computed from the same tables, and more strictly.
    "int_customer_value_predictions", "kpi_clv__cohort", "kpi_clv__customer", "kpi_sales_growth",
    "dim_channel",
    # They have no state, and only count what other tables hold.
    "rows_without_entity", "int_staged_row_counts", "int_accounted_rows", "int_left_out_rows", "int_left_out_days",
}  # fmt: skip


def _is_nightly() -> bool:
    return settings.get_current_profile_name() == "nightly"


class Shop:
    """A shop's deliveries, and two warehouses built from the same raw: one step by step, one at once."""

    def __init__(self, folder: Path, database: duckdb.DuckDBPyConnection) -> None:
        shutil.copytree(Path(__file__).with_name("office"), folder / "company")
        self.settings = Settings(
            sources=SOURCES,
            company_dir=folder / "company",
            data_dir=folder / "data",
            first_delivery=FIRST_DAY,
            as_of_date=AS_OF_DATE,
            time_zone="Europe/Warsaw",
            reporting_currency="EUR",
        )
        sources = load_sources(self.settings.sources, self.settings.company_dir)
        self.tables: dict[str, tuple[Source, Table]] = {
            name: (source, table) for source, name, table in each_table(sources)
        }
        self.dbt = DbtInProcess(self.settings, sources)
        self._database = database
        self.step_by_step = self.settings.warehouse_path
        self.at_once = folder / "full_refresh" / self.step_by_step.name
        self._empty = folder / "empty" / self.step_by_step.name
        for warehouse in (self.step_by_step, self.at_once, self._empty):
            warehouse.parent.mkdir(exist_ok=True)

        # Views are the same in every history, so they are built once.
        no_view = ("--exclude", "config.materialized:view")
        reached = self.dbt.models("--select", "source:shop+ source:office+", *no_view)
        self.models = [name for name in reached if _is_nightly() or name not in NOT_DAILY]
        remembering = self.dbt.models("--select", "+config.materialized:incremental", *no_view)
        # A table that is built in full has no state, so within a history it is enough to build what it depends on.
        self.remembering = [name for name in remembering if name in reached]
        self.models += [name for name in self.remembering if name not in self.models]
        self.statements = self._prepare()

    def _prepare(self) -> int:
        """Build once what no history changes. Return the number of statements of a build within a history."""
        self.begin_raw()
        self.dbt.seed(self._empty)
        self.dbt.run(self._empty, self.dbt.models())
        statements = self.dbt.run(self._empty, self.remembering)
        assert self.dbt.run_and_kill(self._empty, self.remembering, after=statements - 1)
        with duckdb.connect(str(self._empty)) as connection:
            for schema, name, kind in _relations(connection):
                if name in self.models:
                    connection.execute(f'drop {kind} {schema}."{name}"')
        return statements

    def begin(self) -> None:
        """No orders yet: every table was delivered once, empty. No model that deliveries reach is built."""
        self.begin_raw()
        for warehouse in (self.step_by_step, self.at_once):
            warehouse.with_name(f"{warehouse.name}.wal").unlink(missing_ok=True)
            shutil.copy(self._empty, warehouse)

    def begin_raw(self) -> None:
        """Every table was delivered once, empty."""
        for folder in (self.settings.landing_dir, self.settings.raw_dir):
            shutil.rmtree(folder, ignore_errors=True)
        ensure_files(self.settings)
        for table in self.tables:
            self.land(Land(table, FIRST_DAY, ()))

    def land(self, delivery: Land) -> None:
        """A file arrives and is brought into raw."""
        self.deliver(delivery)
        self.bring_to_raw(delivery.table, delivery.day, self.settings.raw_dir)

    def deliver(self, delivery: Land) -> None:
        """A file arrives."""
        _, table = self.tables[delivery.table]
        file = self.settings.landing_dir / table.path.format(delivered_on=delivery.day)
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = [table.delimiter.join(cells) + "\n" for cells in (CELLS[delivery.table], *delivery.rows)]
        content = "".join(lines).encode()
        file.write_bytes(gzip.compress(content, mtime=0) if file.suffix == ".gz" else content)

    def bring_to_raw(self, table: str, day: date, raw_dir: Path) -> None:
        """Land the file that has arrived."""
        source, declared = self.tables[table]
        land(source.name, table, declared, day, self.settings.landing_dir, raw_dir, self._database)

    def build(self, build: Build) -> None:
        """Bring the models with state up to date, without unchanged ones, or get killed while doing so."""
        if build.killed_at_percent is None:
            self.dbt.run_changed(self.step_by_step, self.remembering)
        else:
            last = self.statements * build.killed_at_percent // 100
            self.dbt.run_and_kill(self.step_by_step, self.remembering, after=last)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop that has opened and has sold nothing."""
    with in_memory() as database, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)  # no power cut is simulated
        yield Shop(tmp_path_factory.mktemp("shop"), database)


@settings(max_examples=settings.default.max_examples if _is_nightly() else 2)  # the first one is nearly empty
@given(history=histories())
def test_step_by_step_or_at_once_the_warehouse_is_the_same(shop: Shop, history: History) -> None:
    shop.begin()
    for step in history:
        if isinstance(step, Land):
            shop.land(step)
        else:
            shop.build(step)
    shop.dbt.run_changed(shop.step_by_step, shop.models)
    shop.dbt.run(shop.at_once, shop.models, "--full-refresh")
    difference = differences(shop.step_by_step, shop.at_once)
    assert not difference, difference


ORDERS = ("O1 | C1 | 2025-01-15 12:00:00 | paid | EUR | web | north |  | 2025-03-01 10:00:00 | false",
          "O2 | C2 | 2025-03-20 08:00:00 | paid | PLN | web | north |  | 2025-03-01 10:00:00 | false")  # fmt: skip
ITEMS = ("I1 | O1 | P1 | 1 | 100,00 | 0 | 0 | ", "I2 | O2 | P1 | 3 | 19,99 | 0 | 0 | ")
RATES = ("2025-01-15 | PLN | 0.25",)


def _land(shop: Shop, table: str, day: int, *rows: str) -> None:
    shop.land(Land(table, FIRST_DAY + timedelta(days=day), tuple(tuple(row.split(" | ")) for row in rows)))


def _run(shop: Shop, statement: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(shop.step_by_step)) as warehouse:
        return warehouse.execute(statement).fetchall()


def _sell_twice(shop: Shop) -> None:
    shop.begin()
    for table, rows in (("orders", ORDERS), ("order_items", ITEMS), ("rates", RATES)):
        _land(shop, table, 1, *rows)


def _needed_by_order_lines(shop: Shop) -> list[str]:
    return sorted(set(shop.dbt.models("--select", "+fct_order_items")) & set(shop.remembering))


@pytest.mark.nightly
@pytest.mark.parametrize("model", ["staging.base_shop__orders", "marts.fct_order_items"])
def test_a_model_that_is_killed_at_any_statement_is_made_up_for(shop: Shop, model: str) -> None:
    name = model.split(".")[1]
    needed = _needed_by_order_lines(shop)
    _sell_twice(shop)
    _land(shop, "orders", 2, ORDERS[1].replace("web", "store").replace("03-01 10", "03-02 10"))
    shop.dbt.run(shop.step_by_step, needed)
    _land(shop, "orders", 2)  # sent again, without the correction
    if name == "fct_order_items":
        shop.dbt.run(shop.step_by_step, [other for other in needed if other != name])
    before = shop.step_by_step.with_suffix(".before")
    shutil.copy(shop.step_by_step, before)
    old = _run(shop, f"select * from {model} order by all")
    statements = shop.dbt.run(shop.step_by_step, [name])
    new = _run(shop, f"select * from {model} order by all")
    assert new != old
    for last in range(statements // 2, statements):  # before that, dbt only inspects the database
        shutil.copy(before, shop.step_by_step)
        assert shop.dbt.run_and_kill(shop.step_by_step, [name], after=last)
        shop.dbt.run(shop.step_by_step, [name])
        assert _run(shop, f"select * from {model} order by all") == new, f"killed after {last} of {statements}"


def test_only_what_changed_is_ranked_and_restated(shop: Shop) -> None:
    needed = _needed_by_order_lines(shop)

    def build() -> None:
        shop.dbt.run(shop.step_by_step, needed)

    def restated_by(table: str, day: int, *rows: str) -> list[object]:
        """The orders of those days that are rebuilt when the rows arrive."""
        _run(shop, "update marts.fct_order_items set quantity = 77")
        _land(shop, table, day, *rows)
        build()
        found = _run(shop, "select order_id from marts.fct_order_items where quantity <> 77 order by 1")
        return [order_id for (order_id,) in found]

    _sell_twice(shop)
    build()
    other_channel = ORDERS[1].replace("web", "store").replace("03-01 10", "03-02 10")
    ann = "C1 |  | Ann Lee | large | PL | north | 2024-12-05 09:00:00 | 2025-03-01 10:00:00"
    assert restated_by("products", 2, "P1 | Lamp | light | 5.25 | 2025-03-01 10:00:00") == []
    assert restated_by("orders", 2, other_channel) == ["O2"]
    assert restated_by("order_items", 2, ITEMS[0].replace("100,00", "90,00")) == ["O1"]
    assert restated_by("customers", 2, ann) == ["O1"]
    assert restated_by("rates", 2, "2025-03-20 | PLN | 0.24") == ["O2"]
    assert restated_by("orders", 2) == ["O2"]  # sent again, without the correction

    # What another version of the SQL, or another key in the source's YAML, has left behind.
    _run(shop, "update fingerprints.fct_order_items set made_by = 'other SQL'")
    _run(shop, "update staging.base_shop__orders set _is_newest = false, _ranked_by = 'key channel'")
    assert restated_by("products", 3, "P1 | Lamp | light | 5.25 | 2025-03-01 10:00:00") == ["O1", "O2"]


@settings(max_examples=settings.default.max_examples if _is_nightly() else 5)
@given(sent=deliveries(), data=st.data())
def test_raw_is_the_same_in_whatever_order_files_land(shop: Shop, sent: list[Land], data: st.DataObject) -> None:
    shop.begin_raw()
    for delivery in sent:
        shop.deliver(delivery)
    raw_dirs = [shop.settings.raw_dir, shop.settings.raw_dir.with_name("raw_permuted")]
    shutil.rmtree(raw_dirs[1], ignore_errors=True)
    shutil.copytree(*raw_dirs)
    for raw_dir in raw_dirs:
        for delivery in data.draw(st.permutations(sent)):
            shop.bring_to_raw(delivery.table, delivery.day, raw_dir)
    one, other = (raw_rows(raw_dir) for raw_dir in raw_dirs)
    assert one == other
    assert sum(map(len, one.values())) == sum(len(delivery.rows) for delivery in sent)


def raw_rows(raw_dir: Path) -> dict[str, list[tuple[object, ...]]]:
    """The rows of every raw file in file order, without their load time."""
    with in_memory() as database:
        return {
            file.relative_to(raw_dir).as_posix(): database.execute(
                f"select * exclude (_loaded_at) from read_parquet('{file}', hive_partitioning = false)"
            ).fetchall()
            for source in SOURCES
            for file in sorted((raw_dir / source).glob("**/*.parquet"))
        }


def differences(step_by_step: Path, at_once: Path) -> str:
    """How two warehouses differ: the tables whose rows differ, and the first rows that only one of them has."""
    lines = []
    with reader(step_by_step) as one, reader(at_once) as other:
        found, expected = _fingerprints(one), _fingerprints(other)
        for relation in sorted(found.keys() | expected.keys()):
            if found.get(relation) == expected.get(relation):
                continue
            rows = _rows_of(one, relation) if relation in found else Counter()
            expected_rows = _rows_of(other, relation) if relation in expected else Counter()
            lines.append(f"{relation}: {rows.total()} rows step by step, {expected_rows.total()} at once")
            for title, only in (("step by step", rows - expected_rows), ("at once", expected_rows - rows)):
                lines += [f"  only {title}: {row}" for row in sorted(only.elements())[:5]]
    return "\n".join(lines)


def _fingerprints(connection: duckdb.DuckDBPyConnection) -> dict[str, list[int]]:
    """The number of rows and an order-independent checksum of every table and view."""
    relations = [f'{schema}."{name}"' for schema, name, _ in _relations(connection)]
    queries = [f"select '{relation}', count(*), sum(hash(t)) from {relation} as t" for relation in relations]
    return {relation: found for relation, *found in connection.execute(" union all ".join(queries)).fetchall()}


def _relations(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str]]:
    return connection.execute(
        "select table_schema, table_name, case table_type when 'VIEW' then 'view' else 'table' end "
        "from information_schema.tables where table_schema in ('staging', 'intermediate', 'marts', 'fingerprints')"
    ).fetchall()


def _rows_of(connection: duckdb.DuckDBPyConnection, relation: str) -> Counter[str]:
    query = connection.execute(f"select * from {relation}")
    columns = [column[0] for column in query.description]
    return Counter(str(dict(zip(columns, row, strict=True))) for row in query.fetchall())
