"""Whatever was delivered, in whatever order, with whatever builds killed on the way: the warehouse is the one that a
full refresh of the same raw gives.

`make test-nightly` tries 200 histories on every model that shop deliveries reach; otherwise there are 20, and the marts
that stay empty without leads, ads and surveys are built once.
"""

import gzip
import shutil
from collections import Counter
from datetime import date
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.ingest.landing import land
from pipelines.settings import Settings
from pipelines.sources import Source, load_sources
from pipelines.warehouse import in_memory, reader
from tests.integration.dbt_in_process import DbtInProcess
from tests.integration.histories import AS_OF_DATE, FIRST_DAY, Build, History, Land, Row, deliveries, histories

STAY_EMPTY = {  # in a company of one shop
    "fct_attribution", "fct_leads", "fct_marketing_spend", "fct_nps_responses", "fct_opportunities",
    "fct_opportunity_stage_events", "fct_pipeline_daily", "fct_quota_daily", "kpi_cac__monthly", "kpi_funnel__monthly",
    "kpi_lead_conversion__sdr_monthly", "kpi_nps__monthly", "kpi_win_rate__ae_monthly",
}  # fmt: skip


class Shop:
    """A shop's deliveries, and two warehouses built from the same raw: one bit by bit, one at once."""

    def __init__(self, folder: Path) -> None:
        (folder / "company").mkdir(parents=True)
        self.settings = Settings(
            sources=["shop"],
            company_dir=folder / "company",
            data_dir=folder / "data",
            first_delivery=FIRST_DAY,
            as_of_date=AS_OF_DATE,
            time_zone="Europe/Warsaw",
            reporting_currency="EUR",
        )
        self.source: Source = load_sources(["shop"], self.settings.company_dir)[0]
        self.dbt = DbtInProcess(self.settings, [self.source])
        self.step_by_step = self.settings.warehouse_path
        self.at_once = folder / "full_refresh" / self.step_by_step.name
        self._empty = folder / "empty" / self.step_by_step.name
        for warehouse in (self.step_by_step, self.at_once, self._empty):
            warehouse.parent.mkdir(exist_ok=True)

        reached = self.dbt.models("--select", "source:shop+")
        self.models = [name for name in reached if _is_nightly() or name not in STAY_EMPTY]
        remembering = self.dbt.models("--select", "+config.materialized:incremental")
        # A table that is built in full cannot remember: within a history only what it is built from is worth building.
        self.remembering = [name for name in remembering if name in reached]
        self.models += [name for name in self.remembering if name not in self.models]
        self.statements = self._prepare()

    def _prepare(self) -> int:
        """Build once all that no history changes; how many statements a build within a history takes."""
        self.begin_raw()
        self.dbt.seed(self._empty)
        self.dbt.run(self._empty, self.dbt.models())
        statements = self.dbt.run(self._empty, self.remembering)
        with duckdb.connect(str(self._empty)) as connection:
            for schema, name, kind in _relations(connection):
                if name in self.models:
                    connection.execute(f'drop {kind} {schema}."{name}"')
        return statements

    def begin(self) -> None:
        """No order yet: every table was delivered once, empty; no model that deliveries reach is built."""
        self.begin_raw()
        for warehouse in (self.step_by_step, self.at_once):
            warehouse.with_name(f"{warehouse.name}.wal").unlink(missing_ok=True)
            shutil.copy(self._empty, warehouse)

    def begin_raw(self) -> None:
        """Every table was delivered once, empty."""
        for folder in (self.settings.landing_dir, self.settings.raw_dir):
            shutil.rmtree(folder, ignore_errors=True)
        for table in self.source.tables:
            self.land(Land(table, FIRST_DAY, ()))

    def land(self, delivery: Land) -> None:
        """A file arrives and is brought to raw."""
        self.deliver(delivery)
        self.bring_to_raw(delivery.table, delivery.day, self.settings.raw_dir)

    def deliver(self, delivery: Land) -> None:
        """A file arrives."""
        table = self.source.tables[delivery.table]
        [path] = {table.path.format(delivered_on=delivery.day)}
        file = self.settings.landing_dir / path
        file.parent.mkdir(parents=True, exist_ok=True)
        content = _csv(table.columns, delivery.rows, table.delimiter)
        file.write_bytes(gzip.compress(content, mtime=0) if file.suffix == ".gz" else content)

    def bring_to_raw(self, table: str, day: date, raw_dir: Path) -> None:
        """Land the file that has arrived."""
        with in_memory() as database:
            declared = self.source.tables[table]
            land(self.source.name, table, declared, day, self.settings.landing_dir, raw_dir, database)

    def build(self, build: Build) -> None:
        """Bring up to date what remembers, or die trying."""
        if build.killed_at_percent is None:
            self.dbt.run(self.step_by_step, self.remembering)
        else:
            last = self.statements * build.killed_at_percent // 100
            self.dbt.run_and_kill(self.step_by_step, self.remembering, after=last)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop that was opened and has sold nothing."""
    return Shop(tmp_path_factory.mktemp("shop"))


@given(history=histories())
def test_step_by_step_or_at_once_the_warehouse_is_the_same(shop: Shop, history: History) -> None:
    shop.begin()
    for step in history:
        if isinstance(step, Land):
            shop.land(step)
        else:
            shop.build(step)
    shop.dbt.run(shop.step_by_step, shop.models)
    shop.dbt.run(shop.at_once, shop.models, "--full-refresh")
    assert not differences(shop.step_by_step, shop.at_once)


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
    """The rows of every raw file, in the order they stand there, without the time they were loaded."""
    with in_memory() as database:
        return {
            file.relative_to(raw_dir).as_posix(): database.execute(
                f"select * exclude (_loaded_at) from read_parquet('{file}', hive_partitioning = false)"
            ).fetchall()
            for file in sorted(raw_dir.glob("**/*.parquet"))
        }


def differences(step_by_step: Path, at_once: Path) -> str:
    """What distinguishes two warehouses: the tables whose rows differ, and the first rows that only one of them has."""
    with reader(step_by_step) as one, reader(at_once) as other:
        found, expected = _fingerprints(one), _fingerprints(other)
        lines = []
        for relation in sorted(found.keys() | expected.keys()):
            if found.get(relation) != expected.get(relation):
                rows, expected_rows = (Counter(_rows_of(connection, relation)) for connection in (one, other))
                lines.append(f"{relation}: {rows.total()} rows step by step, {expected_rows.total()} at once")
                for title, only in (("step by step", rows - expected_rows), ("at once", expected_rows - rows)):
                    lines += [f"  only {title}: {row}" for row in sorted(only.elements())[:5]]
    return "\n".join(lines)


def _fingerprints(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, int]]:
    """Rows and an order-free checksum of every table and view."""
    relations = [f'{schema}."{name}"' for schema, name, _ in _relations(connection)]
    queries = [f"select '{one}', count(*), sum(hash(t)) from {one} as t" for one in relations]
    return {
        name: (rows, checksum) for name, rows, checksum in connection.execute(" union all ".join(queries)).fetchall()
    }


def _relations(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str]]:
    return connection.execute(
        "select table_schema, table_name, case table_type when 'VIEW' then 'view' else 'table' end "
        "from information_schema.tables where table_schema in ('staging', 'intermediate', 'marts')"
    ).fetchall()


def _rows_of(connection: duckdb.DuckDBPyConnection, relation: str) -> list[str]:
    query = connection.execute(f"select * from {relation}")
    columns = [column[0] for column in query.description]
    return [str(dict(zip(columns, row, strict=True))) for row in query.fetchall()]


def _csv(columns: list[str], rows: tuple[Row, ...], delimiter: str) -> bytes:
    cells = [columns, *([row[column] for column in columns] for row in rows)]
    return "".join(delimiter.join(line) + "\n" for line in cells).encode()


def _is_nightly() -> bool:
    return settings.get_current_profile_name() == "nightly"
