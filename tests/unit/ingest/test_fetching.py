"""Sources that are fetched: their configuration, the days that wait for them, and how Dagster fetches."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
import sqlalchemy as sa

from pipelines.config_files import ConfigError
from pipelines.ingest.assets import raw_assets
from pipelines.ingest.landing import history_days
from pipelines.partitions import business_day, delivery_days
from pipelines.runs.job import plan
from pipelines.settings import Settings
from pipelines.sources import Source, load_sources
from pipelines.tables import raw_days, raw_file

SQL = """\
description: Our ERP.
connector: sql
connection_env: ERP_URL
owner: team:commerce
sla: "06:00"
entities: [orders]
tables:
  orders:
    description: Orders.
    fetch:
      table: orders
      cursor: changed
    columns: [id, changed]
    key: [id]
"""

REST = """\
description: Our shop.
connector: rest
base_url: https://shop.example.com/v1
auth: {type: bearer, token_env: SHOP_TOKEN}
owner: team:commerce
sla: "06:00"
entities: [orders]
tables:
  orders:
    description: Orders.
    fetch:
      path: /orders
      params: {per_page: 100}
      paginator: {type: offset, limit: 100}
      cursor: changed
    columns: [id, changed]
    key: [id]
"""


def source_in(folder: Path, text: str) -> Source:
    (folder / "sources").mkdir(exist_ok=True)
    (folder / "sources" / "own.yml").write_text(text)
    return load_sources(["own"], folder)[0]


@pytest.mark.parametrize("text", [SQL, REST])
def test_path_and_format_follow_from_the_names(tmp_path: Path, text: str) -> None:
    table = source_in(tmp_path, text).tables["orders"]
    assert (table.path, table.format) == ("own/orders/orders_{delivered_on}.jsonl.gz", "jsonl")
    assert table.fetch is not None
    assert table.fetch.lag_days == 1


@pytest.mark.parametrize(
    ("text", "part", "replacement", "message"),
    [
        (SQL, "connection_env: ERP_URL\n", "", r"own.yml:1: `connection_env` is missing\. Name the"),
        (SQL, "connection_env: ERP_URL", "connection_env: postgresql://me:pw@db", r"own.yml:3: connection_env: "),
        (SQL, "sla:", "base_url: https://x\nsla:", r"own.yml:1: `base_url` belongs to sources with `connector: rest`"),
        (SQL, "connector: sql\nconnection_env: ERP_URL", "connector: files", r"own.yml:6: tables: orders: `fetch`"),
        (SQL, "    fetch:\n      table: orders\n      cursor: changed", "    path: x_{delivered_on}\n    format: csv",
         r"own.yml:7: tables: orders: `fetch` is missing: `connector: sql` needs it"),
        (SQL, "      table: orders", "      path: /orders", r"own.yml:7: tables: orders: this `fetch` does not"),
        (SQL, "      table: orders", "      query: select 1\n      table: orders", r"own.yml:10: .*either `table` or"),
        (SQL, "      table: orders", "      tabel: orders", r"own.yml:10: tables.orders.fetch.sql.tabel: unknown key"),
        (SQL, "cursor: changed", "cursor: updated", r"own.yml:8: tables.orders: the cursor 'updated' is not one of"),
        (SQL, "cursor: changed", "lag_days: -1", r"own.yml:10: tables.orders.fetch.sql.lag_days: "),
        (SQL, "cursor: changed", "cursor_time_zone: Mars", r"own.yml:10: .*no time zone is called 'Mars'"),
        (SQL, "    key: [id]", "    key: [id]\n    format: csv", r"own.yml:8: tables.orders: `format` and `fetch`"),
        (REST, "base_url: https://shop.example.com/v1\n", "", r"own.yml:1: write either `base_url`, or `base_url_env`"),
        (REST, "https://shop", "https://me:pw@shop", r"own.yml:3: base_url: "),
        (REST, "token_env: SHOP_TOKEN", "token: hunter2", r"own.yml:4: auth.bearer.token: unknown key"),
        (REST, "type: bearer", "type: oauth", r"own.yml:4: auth: "),
        (REST, "path: /orders", "path: https://elsewhere/orders", r"own.yml:11: tables.orders.fetch.rest.path: "),
        (REST, "type: offset", "type: auto", r"own.yml:11: .*no paginator is called 'auto'.*page_number"),
        (REST, "cursor: changed", "cursor_start_param: since", r"own.yml:11: .*`cursor` is missing"),
        (REST, "cursor: changed", "cursor: changed\n      lag_days: 0", r"own.yml:11: .*`lag_days: 0` loses records"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_with_file_and_line(
    tmp_path: Path, text: str, part: str, replacement: str, message: str
) -> None:
    assert part in text
    with pytest.raises(ConfigError, match=message) as caught:
        source_in(tmp_path, text.replace(part, replacement, 1))
    assert "hunter2" not in str(caught.value)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An installation whose first delivery day is three days ago."""
    settings = Settings(
        sources=["own"],
        first_delivery=date(2025, 1, 1),
        time_zone="UTC",
        reporting_currency="EUR",
        data_dir=tmp_path / "data",
        company_dir=tmp_path,
    )
    return settings.model_copy(update={"first_delivery": business_day(settings) - timedelta(days=3)})


def days_of(settings: Settings) -> list[date]:
    return [settings.first_delivery + timedelta(days=number) for number in range(3)]


def test_every_day_up_to_yesterday_waits_until_it_has_landed(tmp_path: Path, settings: Settings) -> None:
    sources = [source_in(tmp_path, SQL)]
    days = days_of(settings)
    assert plan(settings, sources).days == days
    assert len(plan(settings, sources).runs) == 1
    for day in (days[0], days[2]):
        file = raw_file(settings.raw_dir, "own", "orders", day)
        file.parent.mkdir(parents=True)
        file.touch()
    assert plan(settings, sources).days == [days[1]]


class Erp:
    """A database in a file, whose orders are raw assets."""

    def __init__(self, settings: Settings, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings, self.source, self.monkeypatch = settings, source, monkeypatch
        self.url = f"sqlite:///{settings.company_dir}/erp.db"
        self.connect()
        self.execute("create table orders (id integer, changed text)")

    def connect(self, url: str | None = None) -> None:
        self.monkeypatch.setenv("ERP_URL", url or self.url)

    def execute(self, statement: str) -> None:
        engine = sa.create_engine(self.url)
        with engine.begin() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()

    def materialize(self, day: date, last: date | None = None) -> dg.ExecuteInProcessResult:
        """Materialize one day, or the days up to `last` in one run."""
        [asset] = raw_assets(self.settings, [self.source], delivery_days(self.settings))
        span = {"dagster/asset_partition_range_start": str(day), "dagster/asset_partition_range_end": str(last)}
        return dg.materialize(
            [asset], partition_key=None if last else str(day), tags=span if last else None, raise_on_error=False
        )


def outcome(result: dg.ExecuteInProcessResult) -> Any:
    [event] = result.get_asset_materialization_events()
    return event.step_materialization_data.materialization.metadata["outcome"].value


def problem(result: dg.ExecuteInProcessResult) -> str | None:
    [failure] = result.get_step_failure_events()
    return (
        failure.step_failure_data.user_failure_data.description if failure.step_failure_data.user_failure_data else None
    )


def test_a_day_is_fetched_when_it_lands_and_again_only_when_its_file_is_removed(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    erp = Erp(settings, source_in(tmp_path, SQL), monkeypatch)
    day = settings.first_delivery
    erp.execute(f"insert into orders values (1, '{day} 10:00:00')")
    assert outcome(erp.materialize(day)) == "landed"

    # The order has changed since and has left that day's window: if the day were fetched again, it would be missing.
    erp.execute(f"update orders set changed = '{day + timedelta(days=1)} 10:00:00'")
    assert outcome(erp.materialize(day)) == "unchanged"

    erp.execute(f"insert into orders values (2, '{day} 11:00:00')")
    [file] = settings.landing_dir.rglob("*.gz")
    file.unlink()
    assert outcome(erp.materialize(day)) == "restated"


def test_a_source_that_cannot_be_asked_fails_its_day_in_its_own_words_and_is_asked_again_by_the_next_run(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    erp = Erp(settings, source_in(tmp_path, SQL), monkeypatch)
    day = settings.first_delivery
    assert "own.orders: the source has no rows for" in (problem(erp.materialize(day)) or "")
    monkeypatch.delenv("ERP_URL")
    assert "source own: `connection_env` names the environment variable ERP_URL" in (
        problem(erp.materialize(day)) or ""
    )
    assert raw_days(settings.raw_dir, "own", "orders") == set()
    erp.connect()
    erp.execute(f"insert into orders values (1, '{day} 10:00:00')")
    assert outcome(erp.materialize(day)) == "landed"


def test_a_source_that_cannot_be_asked_is_not_asked_for_each_day_of_a_first_load(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    erp = Erp(settings, source_in(tmp_path, SQL), monkeypatch)
    monkeypatch.delenv("ERP_URL")
    first, *_, last = days_of(settings)
    assert len((problem(erp.materialize(first, last)) or "").splitlines()) == 1
    erp.connect()
    assert len((problem(erp.materialize(first, last)) or "").splitlines()) == 3


def test_a_first_load_of_many_days_writes_down_which_of_them_are_history(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    erp = Erp(settings, source_in(tmp_path, SQL), monkeypatch)
    first, second, third = days_of(settings)
    for day in (first, second, third):
        erp.execute(f"insert into orders values ({day.day}, '{day} 10:00:00')")
    assert erp.materialize(first, second).success
    assert erp.materialize(third).success
    files = [raw_file(settings.raw_dir, "own", "orders", day) for day in (first, second, third)]
    with duckdb.connect() as database:
        assert history_days(database, files) == {first}
