"""Tables of a real PostgreSQL server, fetched day by day, through to the revenue mart."""

import contextlib
import shutil
import socket
import threading
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from pipelines.config_files import ConfigError
from pipelines.ingest.connectors import Retries
from pipelines.ingest.gate import DeliveryError
from tests.conftest import PROJECT_DIR, Installation
from tests.integration.connectors import AT_ONCE, FIRST_DAY, Pulled
from tests.integration.postgres import Postgres, free_port

HERE = Path(__file__).parent
SECOND_DAY, THIRD_DAY = date(2025, 1, 31), date(2025, 2, 1)

ORDERS = """
create schema sales;
create table sales."Orders" (
    id bigint primary key, customer text, placed_at timestamptz, state text, total numeric(12, 2),
    updated_at timestamptz
);
insert into sales."Orders" values
    (1, 'A', '2024-11-05 10:00+01', 'paid', 100.10, '2024-11-05 10:00+01'),
    (2, 'B', '2025-01-30 23:59:59.999999+01', 'placed', 20.00, '2025-01-30 23:59:59.999999+01'),
    (3, 'A', '2025-01-31 00:00+01', 'paid', 3.33, '2025-01-31 00:00+01'),
    (4, 'C', '2025-02-01 12:00+01', 'paid', 5.00, '2025-02-01 12:00+01');
"""


@pytest.fixture
def database(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new database with the orders, whose address is in SHOP_DATABASE_URL."""
    name = f"shop_{uuid4().hex}"
    postgres.execute("postgres", f"create database {name}")
    postgres.execute(name, ORDERS)
    monkeypatch.setenv("SHOP_DATABASE_URL", postgres.url(name))
    return name


def shop(folder: Path, columns: str = "id total updated_at", retries: Retries = AT_ONCE, **fetch: Any) -> Pulled:
    fetch = {"table": "sales.Orders", "cursor": "updated_at", **fetch}
    return Pulled(
        folder,
        {"connector": "sql", "connection_env": "SHOP_DATABASE_URL"},
        {"columns": columns.split(), "fetch": {key: value for key, value in fetch.items() if value is not None}},
        retries,
    )


@pytest.mark.usefixtures("database")
def test_the_first_day_brings_the_history_and_each_later_day_its_half_open_window_with_the_lag(tmp_path: Path) -> None:
    orders = shop(tmp_path)
    assert orders.ids(FIRST_DAY) == ["1", "2"]
    assert orders.ids(SECOND_DAY) == ["2", "3"]
    assert orders.ids(THIRD_DAY) == ["3", "4"]
    assert shop(tmp_path, lag_days=0).ids(THIRD_DAY) == ["4"]
    assert shop(tmp_path, lag_days=2).ids(THIRD_DAY) == ["2", "3", "4"]
    assert shop(tmp_path, cursor=None).ids(THIRD_DAY) == ["1", "2", "3", "4"]


def test_the_same_rows_are_the_same_bytes_and_land_once(tmp_path: Path, postgres: Postgres, database: str) -> None:
    orders = shop(tmp_path)
    before = orders.fetch()
    landed = orders.land()
    assert (landed.outcome, landed.rows) == ("landed", 2)
    assert landed.files == ["shop/orders/orders_2025-01-30.jsonl.gz"]
    assert orders.raw("id, total") == [("1", "100.10"), ("2", "20.00")]
    postgres.execute(database, 'vacuum full sales."Orders"')
    assert orders.fetch() == before
    assert orders.land().outcome == "unchanged"
    postgres.execute(database, """update sales."Orders" set total = 101 where id = 1""")
    orders.fetch()
    assert orders.land().outcome == "restated"
    assert [path.name for path in tmp_path.glob("landing/shop/orders/*")] == ["orders_2025-01-30.jsonl.gz"]


def test_every_type_is_text_from_which_it_can_be_had_again(tmp_path: Path, postgres: Postgres, database: str) -> None:
    values = {
        "id": ("12345678901234567890123", "12345678901234567890123"),
        "small": ("0.0000000001::numeric", "0.0000000001"),
        "money": ("12.30::numeric(10, 2)", "12.30"),
        "float": ("0.1::float8", "0.1"),
        "zoned": ("'2025-07-01 10:00:00.5+00'::timestamptz", "2025-07-01T12:00:00.500000+02:00"),
        "unzoned": ("'2025-07-01 10:00'::timestamp", "2025-07-01T10:00:00"),
        "day": ("'2025-07-01'::date", "2025-07-01"),
        "flag": ("true", "true"),
        "bytes": (r"'\x00ff'::bytea", "00ff"),
        "json": ("""'{"a": 12.30, "b": null}'::jsonb""", '{"a": 12.30, "b": null}'),
        "list": ("array['a', 'ł', null]", '["a", "ł", null]'),
        "uuid": ("'6f9619ff-8b86-d011-b42d-00cf4fc964ff'::uuid", "6f9619ff-8b86-d011-b42d-00cf4fc964ff"),
        "text": (r"E'tab\tquote\" line\nżółw'", 'tab\tquote" line\nżółw'),
        "empty": ("''", ""),
        "nothing": ("null::text", None),
        "Sel ect": ("'quoted'", "quoted"),
    }
    columns = ", ".join(f'{expression} as "{name}"' for name, (expression, _) in values.items())
    postgres.execute(database, f"create table typed as select {columns}")
    typed = Pulled(
        tmp_path,
        {"connector": "sql", "connection_env": "SHOP_DATABASE_URL"},
        {"columns": list(values), "fetch": {"table": "typed"}},
    )
    expected = {name: text for name, (_, text) in values.items()}
    assert typed.rows() == [expected]
    typed.land()
    assert typed.raw(", ".join(f'"{name}"' for name in values)) == [tuple(text or None for text in expected.values())]


@pytest.mark.usefixtures("database")
def test_what_would_lose_something_as_text_is_refused(tmp_path: Path) -> None:
    lossy = shop(tmp_path, "id span", table=None, cursor=None, query="select 1 as id, interval '1 month' as span")
    with pytest.raises(DeliveryError, match=r"shop\.orders: column span: a timedelta .* `query` that casts it"):
        lossy.fetch()


@pytest.mark.usefixtures("database")
def test_a_query_is_fetched_as_if_it_were_a_table(tmp_path: Path) -> None:
    query = """select id, total::text || '%' as total, updated_at from sales."Orders" where state = 'paid';"""
    orders = shop(tmp_path, table=None, query=query)
    assert [(row["id"], row["total"]) for row in orders.rows(THIRD_DAY)] == [("3", "3.33%"), ("4", "5.00%")]


def test_cursors_without_an_offset_are_in_the_time_zone_that_is_named(
    tmp_path: Path, postgres: Postgres, database: str
) -> None:
    postgres.execute(
        database,
        "create table local (id int, updated_at timestamp); insert into local values (1, '2025-01-31 23:30');"
        "create table dated (id int, updated_at date); insert into dated values (1, '2025-01-31');",
    )

    def days(table: str, **fetch: Any) -> list[date]:
        orders = shop(tmp_path, "id updated_at", table=table, lag_days=0, **fetch)
        orders.table = orders.table.model_copy(update={"empty_day": "allowed"})
        return [day for day in (SECOND_DAY, THIRD_DAY) if orders.ids(day)]

    assert days("local") == [SECOND_DAY]
    assert days("local", cursor_time_zone="UTC") == [THIRD_DAY]
    assert days("dated") == [SECOND_DAY]


def test_a_row_that_never_says_when_it_changed_comes_every_day(
    tmp_path: Path, postgres: Postgres, database: str
) -> None:
    postgres.execute(database, """insert into sales."Orders" (id, total) values (9, 1)""")
    assert shop(tmp_path).ids(THIRD_DAY) == ["3", "4", "9"]


@pytest.mark.usefixtures("database")
def test_a_day_without_rows_is_an_error_unless_it_may_be_empty(tmp_path: Path) -> None:
    later = date(2025, 3, 1)
    orders = shop(tmp_path)
    with pytest.raises(DeliveryError, match=r"shop\.orders: the source has no rows for 2025-03-01.*empty_day: allowed"):
        orders.fetch(later)
    assert not list(tmp_path.glob("landing/shop/orders/*"))
    orders.table = orders.table.model_copy(update={"empty_day": "allowed"})
    assert orders.rows(later) == []
    landed = orders.land(later)
    assert (landed.outcome, landed.rows) == ("empty day", 0)


def test_rows_committed_while_a_fetch_reads_are_not_half_seen(
    tmp_path: Path, postgres: Postgres, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sum of two accounts is constant while money is moved between them and the server returns rows."""
    from pipelines.ingest.connectors import sql

    postgres.execute(database, "create table accounts (id int, total int); insert into accounts values (1, 5), (2, 0);")
    moved = []
    as_text = sql._text

    def move_money(*arguments: Any) -> str | None:
        if not moved:
            moved.append(postgres.execute(database, "update accounts set total = 5 - total"))
        return as_text(*arguments)

    monkeypatch.setattr(sql, "_BATCH_ROWS", 1)
    monkeypatch.setattr(sql, "_text", move_money)
    accounts = shop(tmp_path, "id total", table="accounts", cursor=None)
    assert [row["total"] for row in accounts.rows()] == ["5", "0"]
    assert [row["total"] for row in accounts.rows()] == ["0", "5"]


def test_a_fetch_reads_one_state_and_can_write_nothing(tmp_path: Path, postgres: Postgres, database: str) -> None:
    postgres.execute(database, "create sequence numbers")
    writing = shop(tmp_path, "id", table=None, cursor=None, query="select nextval('numbers') as id")
    with pytest.raises(
        DeliveryError, match=r"the database refused the query: cannot execute nextval\(\) in a read-only transaction"
    ):
        writing.fetch()
    settings = (
        "select current_setting('transaction_isolation') as id, current_setting('transaction_read_only') as total"
    )
    assert shop(tmp_path, "id total", table=None, cursor=None, query=settings).rows() == [
        {"id": "repeatable read", "total": "on"}
    ]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("cast(customer as int)", r"the database refused the query: InvalidTextRepresentation\. Correct"),
        ("'infinity'::timestamptz", r"the database refused the query: timestamp too large"),
    ],
)
def test_a_value_that_cannot_be_had_is_an_error_that_does_not_show_persons(
    tmp_path: Path, postgres: Postgres, database: str, value: str, message: str
) -> None:
    postgres.execute(database, """update sales."Orders" set customer = 'Jan Kowalski'""")
    broken = shop(tmp_path, "id", table=None, cursor=None, query=f'select {value} as id from sales."Orders"')
    with pytest.raises(DeliveryError, match=message) as caught:
        broken.fetch()
    assert "Kowalski" not in str(caught.value)


@pytest.mark.usefixtures("database")
def test_a_query_that_takes_too_long_is_cancelled(tmp_path: Path) -> None:
    slow = shop(tmp_path, "id", table=None, cursor=None, query="select 1 as id from pg_sleep(60)", timeout_seconds=0.05)
    with pytest.raises(DeliveryError, match=r"cancelled the query: .*statement timeout.*`timeout_seconds`"):
        slow.fetch()


@pytest.mark.parametrize(
    ("fetch", "columns", "message"),
    [
        (
            {"table": "sales.Order"},
            "id updated_at",
            r'the database refused the query: relation "sales.Order" does not exist',
        ),
        ({}, "id price updated_at", r"the database refused the query: column .*price.* does not exist"),
    ],
)
@pytest.mark.usefixtures("database")
def test_a_table_or_column_that_is_not_there_is_named(
    tmp_path: Path, fetch: dict[str, Any], columns: str, message: str
) -> None:
    with pytest.raises(DeliveryError, match=message + r".* Correct `columns` and `fetch`"):
        shop(tmp_path, columns, **fetch).fetch()


class Cutting:
    """Forwards to the server, and cuts its first connections after a number of bytes of the answer."""

    def __init__(self, port: int, cuts: int, after_bytes: int) -> None:
        self.target, self.cuts, self.after_bytes, self.connections = port, cuts, after_bytes, 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.server.getsockname()[1])
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            self.connections += 1
            limit = self.after_bytes if self.connections <= self.cuts else None
            upstream = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self.pass_on, args=(client, upstream, None), daemon=True).start()
            threading.Thread(target=self.pass_on, args=(upstream, client, limit), daemon=True).start()

    def pass_on(self, source: socket.socket, target: socket.socket, limit: int | None) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while (data := source.recv(4096)) and (limit is None or passed + len(data) <= limit):
                target.sendall(data)
                passed += len(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("after_bytes", [0, 100_000], ids=["at once", "half-way through the rows"])
def test_a_lost_connection_is_made_again_and_the_rows_are_read_from_the_start(
    tmp_path: Path, postgres: Postgres, database: str, monkeypatch: pytest.MonkeyPatch, after_bytes: int
) -> None:
    many = shop(
        tmp_path, "id", table=None, cursor=None, query="select i as id from generate_series(1, 20000) as series(i)"
    )
    proxy = Cutting(postgres.port, cuts=2, after_bytes=after_bytes)
    monkeypatch.setenv("SHOP_DATABASE_URL", postgres.url(database, proxy.port))
    assert many.ids() == [str(number) for number in range(1, 20001)]
    assert proxy.connections == 3
    proxy.server.close()


def test_a_database_that_stays_away_is_an_error_that_shows_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_DATABASE_URL", f"postgresql://reader:hunter2@127.0.0.1:{free_port()}/shop")
    with pytest.raises(DeliveryError, match=r"no connection to the database.*SHOP_DATABASE_URL") as caught:
        shop(tmp_path).fetch()
    assert "hunter2" not in str(caught.value)
    assert not list(tmp_path.glob("landing/shop/orders/*"))


@pytest.mark.parametrize("value", ["", "reader:hunter2@somewhere", "nosuchdb://reader:hunter2@somewhere/x"])
def test_an_environment_variable_without_a_url_is_named_without_its_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("SHOP_DATABASE_URL", value)
    with pytest.raises(ConfigError, match=r"source shop: .*SHOP_DATABASE_URL") as caught:
        shop(tmp_path).fetch()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("database_kind", ["sqlite", "duckdb"])
def test_databases_in_a_file_are_fetched_from_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_kind: str
) -> None:
    import sqlalchemy as sa

    url = f"{database_kind}:///{tmp_path}/shop.db"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("create table orders (id integer, total decimal(10, 2), updated_at timestamp)")
        connection.exec_driver_sql(
            "insert into orders values (1, 1.5, '2025-01-30 12:00:00'), (2, 2.5, '2025-01-31 00:00:00'),"
            "(3, 3.5, '2025-02-01 00:00:00')"
        )
    engine.dispose()
    monkeypatch.setenv("SHOP_DATABASE_URL", url)
    orders = shop(tmp_path, table="orders", lag_days=0)
    assert orders.ids(FIRST_DAY) == ["1"]
    assert orders.ids(SECOND_DAY) == ["2"]


@pytest.fixture(scope="module")
def erp(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> tuple[Installation, list[Decimal]]:
    """The ERP's orders fetched for two days; revenue after the first day, and after an order changed on the second."""
    company = tmp_path_factory.mktemp("erp") / "company"
    shutil.copytree(HERE / "erp", company)
    postgres.execute("postgres", "create database erp")
    postgres.execute("erp", ORDERS)
    installation = Installation(company.parent / "data", company / "kpi.yml", {"ERP_DATABASE_URL": postgres.url("erp")})
    revenue = []
    installation.build(str(FIRST_DAY), models="+kpi_revenue")
    revenue.append(total_revenue(installation))
    postgres.execute(
        "erp", """update sales."Orders" set state = 'cancelled', updated_at = '2025-01-31 09:00+01' where id = 2"""
    )
    installation.build(str(SECOND_DAY), models="+kpi_revenue")
    revenue.append(total_revenue(installation))
    return installation, revenue


def total_revenue(installation: Installation) -> Decimal:
    with installation.warehouse() as connection:
        [(total,)] = connection.execute(
            "select sum(net_amount) from marts.kpi_revenue where grain = 'month' and entity_type = 'company'"
        ).fetchall()
    return Decimal(total)


def test_fetched_orders_and_their_changes_are_the_marts_revenue(erp: tuple[Installation, list[Decimal]]) -> None:
    _, revenue = erp
    assert revenue == [Decimal("120.10"), Decimal("103.43")]


def test_the_documented_example_is_the_tested_one() -> None:
    page = (PROJECT_DIR / "docs" / "connect" / "sql.md").read_text(encoding="utf-8")
    example = (HERE / "erp" / "sources" / "erp.yml").read_text(encoding="utf-8")
    assert f"```yaml\n{example}```" in page
    assert yaml.safe_load(example)["connector"] == "sql"
