"""A whole installation in which every place that takes a secret has a canary, and so has every personal column.

It is run on a day on which everything answers, and on one on which nothing does. Then every byte that it has left is
searched, also in what is packed. What is said about single failures is in `tests/hostile/test_canaries.py`.
"""

import base64
import gzip
import json
import re
import sqlite3
import threading
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from urllib.parse import quote

import duckdb
import pytest

from tests.conftest import Installation
from tests.integration.endpoints import nobodys_port
from tests.integration.postgres import Postgres

DAYS = ("2025-01-30", "2025-01-31")
SECRET, PERSON = "canary-secret", "anna.canary@example.com"
# A secret as it is, and in base64 at each place that a longer text may give it; a personal value, and parts of it.
SECRETS = re.compile(
    "|".join(
        [SECRET, *(base64.b64encode(b" " * n + SECRET.encode()).decode().rstrip("=")[4:-4] for n in range(3))]
    ).encode(),
    re.IGNORECASE,
)
PERSONAL = re.compile(b"anna.canary|canary anna", re.IGNORECASE)
# Where what was delivered may be. Secrets may not even be there.
DATA = ("landing", "raw", "quarantine", "warehouse.duckdb")

SOURCES = {
    "bearer": {
        "connector": "rest", "base_url_env": "BEARER_URL", "auth": {"type": "bearer", "token_env": "BEARER_TOKEN"},
    },
    "keyed": {
        "connector": "rest", "base_url_env": "KEYED_URL",
        "auth": {"type": "api_key", "name": "key", "key_env": "KEYED_KEY", "location": "query"},
    },
    "database": {"connector": "sql", "connection_env": "DATABASE_URL"},
    "bucket": {"connector": "files"},
}  # fmt: skip
FETCHES = {
    "bearer": {"path": "/orders", "paginator": {"type": "single_page"}},
    "keyed": {"path": "/orders", "paginator": {"type": "single_page"}},
    "database": {"table": "orders"},
}
COLUMNS = ["number", "customer", "mail", "placed", "total"]
BASE = """{{{{ delivery_log('{source}', 'orders', [
    ['number', 'text', {{'required': true}}],
    ['customer', 'text'],
    ['mail', 'text'],
    ['placed', 'date', {{'required': true}}],
    ['total', 'decimal', {{'required': true}}],
]) }}}}
"""
STAGING = """with orders as ({{{{ latest_rows('{source}', 'orders') }}}})
select
    '{source}' || number as order_id, customer as customer_id,
    {{{{ try_timestamp('cast(placed as varchar)', var('time_zone')) }}}} as ordered_at,
    cast(null as varchar) as status, 'EUR' as currency_code, cast(null as varchar) as channel,
    cast(null as varchar) as region, cast(null as varchar) as rep_id, cast(null as timestamp) as updated_at,
    false as is_deleted, total as total_amount, _source_file, _row_number, _delivered_on
from orders
"""
ALERTS = {
    "channels": {
        "file": {"kind": "file"},
        "terminal": {"kind": "terminal"},
        "mail": {"kind": "apprise", "url_env": "MAIL_URL"},
        "slack": {"kind": "apprise", "url_env": "SLACK_URL"},
        "hook": {"kind": "webhook", "url_env": "HOOK_URL", "secret_env": "HOOK_SECRET"},
        "pager": {"kind": "pagerduty", "routing_key_env": "PAGER_KEY", "endpoint": "https://pager.example.org"},
    },
    "routes": [{"channels": ["file", "terminal", "mail", "slack", "hook", "pager"]}],
    "delivery": {"attempts": 1, "connect_seconds": 0.5, "read_seconds": 0.5, "flush_seconds": 5},
}
# Pauses between attempts are not needed, and would take minutes.
AT_ONCE = """
import sys, time
import dagster as dg
from pipelines.__main__ import main
time.sleep = lambda seconds, sleep=time.sleep: sleep(min(seconds, 0.01))
dg.RetryPolicy = lambda max_retries, delay, backoff, policy=dg.RetryPolicy: policy(max_retries)
sys.argv = ["kpi", *{arguments!r}]
main()
"""


def orders() -> list[dict[str, Any]]:
    """Two years of orders with personal values. One of them cannot be read."""
    good = [
        {
            "number": str(n), "customer": f"C{n % 3}", "mail": PERSON, "total": f"{n}.50",
            "placed": str(date.fromisoformat(DAYS[0]) - timedelta(days=11 * n)),
        }
        for n in range(66)
    ]  # fmt: skip
    return [*good, {**good[0], "number": "99", "placed": f"when {PERSON} came"}]


@dataclass
class Api:
    """An HTTP server with orders, and also a proxy. If broken, it repeats all that it received."""

    asked: list[str] = field(default_factory=list)
    status: int = 200

    def __post_init__(self) -> None:
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                received = f"{self.path} {dict(self.headers)}"
                api.asked.append(received)
                body = json.dumps(orders() if api.status == 200 else {"error": received}).encode()
                self.send_response(api.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_CONNECT = do_GET  # noqa: N815 - the names that the server looks for

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    api = Api()
    yield api
    api.server.shutdown()
    api.server.server_close()


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory, api: Api, postgres: Postgres) -> Installation:
    """Two APIs, a database and a bucket, and a canary in each variable. JSON is YAML, too."""
    folder = tmp_path_factory.mktemp("company")
    settings = {"sources": list(SOURCES), "company_dir": "company", "first_delivery": DAYS[0], "last_delivery": DAYS[1]}
    write(folder / "kpi.yml", {**settings, "time_zone": "UTC", "reporting_currency": "EUR", "alerts": "alerts.yml"})
    write(folder / "alerts.yml", ALERTS)
    for source, connector in SOURCES.items():
        table = {"description": "Orders.", "columns": COLUMNS, "key": ["number"], "personal_columns": ["mail"]}
        if source == "bucket":
            connector = {**connector, "store": f"file://{folder / 'bucket'}"}
            table |= {"path": "bucket/orders_{delivered_on}.jsonl", "format": "jsonl"}
        else:
            table |= {"fetch": FETCHES[source]}
        described = {"description": "Ours.", "owner": "team:data", "sla": "06:00", "entities": ["orders"]}
        write(folder / f"company/sources/{source}.yml", {**described, **connector, "tables": {"orders": table}})
        models = folder / "company/models/staging" / source
        write(models / f"_{source}__sources.yml", {"sources": [{"name": source, "tables": [{"name": "orders"}]}]})
        write(models / f"base_{source}__orders.sql", BASE.format(source=source))
        write(models / f"stg_{source}__orders.sql", STAGING.format(source=source))
    write(folder / f"bucket/bucket/orders_{DAYS[0]}.jsonl", "".join(f"{json.dumps(row)}\n" for row in orders()))
    postgres.execute("postgres", "create database orders")
    postgres.execute("orders", f"create table orders ({', '.join(f'{column} text' for column in COLUMNS)})")
    values = ", ".join("(" + ", ".join(f"'{row[column]}'" for column in COLUMNS) + ")" for row in orders())
    postgres.execute("orders", f"insert into orders values {values}")
    for name in ("tmp", "home"):
        (folder / "left" / name).mkdir(parents=True)
    login = f"{SECRET}-user:{quote(SECRET + '/1', safe='')}"
    nowhere = f"127.0.0.1:{nobodys_port()}"
    return Installation(
        folder / "data",
        folder / "kpi.yml",
        {
            "BEARER_URL": f"http://{login}@{api.host}/{SECRET}-path",
            "BEARER_TOKEN": f"{SECRET}-token",
            "KEYED_URL": f"http://{api.host}/{SECRET}-path",
            "KEYED_KEY": f"{SECRET}+key=&",
            "DATABASE_URL": postgres.url("orders").replace("://tester@", f"+psycopg://tester:{SECRET}%2F2@"),
            "AWS_SECRET_ACCESS_KEY": f"{SECRET}-aws",
            "FSSPEC_FTP_PASSWORD": f"{SECRET}-ftp",
            "HTTPS_PROXY": f"http://{login}@{nowhere}",
            "NO_PROXY": "127.0.0.1",
            "MAIL_URL": f"mailto://{login}@{nowhere}?from=kpi@example.org&to=data@example.org",
            "SLACK_URL": "https://hooks.slack.com/services/TCANARYAA/ACANARYBB/" + SECRET.replace("-", "") * 2,
            "HOOK_URL": f"http://{login}@{api.host}/{SECRET}-hook?sig={SECRET}",
            "HOOK_SECRET": f"{SECRET}-signing",
            "PAGER_KEY": f"{SECRET}-routing",
            "KPI_PASSWORD": f"{SECRET}-of-the-servers",
            "TMPDIR": str(folder / "left" / "tmp"),
            "HOME": str(folder / "left" / "home"),
        },
    )


def run(installation: Installation, *arguments: str, **environment: str) -> CompletedProcess[str]:
    """A `kpi` command, without pauses between attempts."""
    from tests import forked

    return forked.python({**installation.variables(), **environment}, AT_ONCE.format(arguments=list(arguments)))


@pytest.fixture(scope="module")
def printed(company: Installation, api: Api) -> str:
    """What the commands print: on a day on which all answer, and on one on which none does."""
    first = run(company, "run", "--date", DAYS[0])
    assert first.returncode == 0, first.stdout + first.stderr
    assert len(list((company.data_dir / "raw").glob("*/orders/*/rows.parquet"))) == len(SOURCES)
    assert SECRETS.search("".join(api.asked).encode()), "no secret was ever used"
    bucket = company.config.with_name("company") / "sources" / "bucket.yml"
    described = json.loads(bucket.read_text())
    write(bucket, {**described, "store": f"ftp://127.0.0.1:{nobodys_port()}/"})
    second = run_in_vain(company, api, 401)
    others = [
        run(company, *command.split())
        for command in (
            "status", "doctor", "alerts list --all", "alerts test", "quarantine list", "versions", "sources list",
            f"sources check bearer --date {DAYS[1]}", f"sources check keyed --date {DAYS[1]}",
        )
    ]  # fmt: skip
    return "\n".join([first.stdout, first.stderr, second, *(done.stdout + done.stderr for done in others)])


def run_in_vain(company: Installation, api: Api, status: int) -> str:
    """What `kpi run` prints about a day on which no source answers as it should."""
    api.status = status
    address = re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{nobodys_port()}", company.environment["DATABASE_URL"])
    ended = run(company, "run", "--date", DAYS[1], DATABASE_URL=address)
    said = ended.stdout + ended.stderr
    assert ended.returncode == 1, said
    for failure in (
        f"bearer.orders: /orders returned HTTP status {status}",
        f"keyed.orders: /orders returned HTTP status {status}",
        "database.orders: no connection to the database",
        "the store of source bucket (ftp://…) cannot be read: ConnectionRefusedError",
    ):
        assert failure in ended.stderr, said
    return said


def content_of(path: Path) -> Iterator[bytes]:
    """The bytes of a file, and what is packed in it, as text."""
    content = path.read_bytes()
    yield content
    yield from _unpacked(content)
    if path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as connection:
            listed = connection.execute("select schema_name, table_name from duckdb_tables()").fetchall()
            for schema, table in listed:
                yield repr(connection.execute(f'from "{schema}"."{table}"').fetchall()).encode()
    elif path.suffix == ".parquet":
        yield repr(duckdb.sql(f"from read_parquet('{path}', hive_partitioning = false)").fetchall()).encode()
        yield repr(duckdb.sql(f"from parquet_kv_metadata('{path}')").fetchall()).encode()
    elif content.startswith(b"SQLite format 3\0"):
        with closing(sqlite3.connect(path)) as connection:
            yield "\n".join(connection.iterdump()).encode()


def _unpacked(content: bytes) -> Iterator[bytes]:
    if content.startswith(b"PK\3\4"):
        with zipfile.ZipFile(BytesIO(content)) as archive:
            for name in archive.namelist():
                yield archive.read(name)
    elif content.startswith(b"\x1f\x8b"):
        yield gzip.decompress(content)


def found(files: list[Path], canary: re.Pattern[bytes]) -> list[str]:
    return [str(path) for path in files if any(canary.search(content) for content in content_of(path))]


def test_a_canary_is_found_in_what_is_packed(tmp_path: Path) -> None:
    """So that the searches of this file can fail."""
    text = "x" * 5000 + PERSON
    with zipfile.ZipFile(tmp_path / "book.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sheet.xml", text)
    (tmp_path / "rows.gz").write_bytes(gzip.compress(text.encode()))
    with duckdb.connect(str(tmp_path / "file.duckdb")) as connection:
        connection.execute(
            "create table t as select repeat('anna.', 1) || 'canary@example.com' as mail from range(9999)"
        )
        connection.execute(f"copy t to '{tmp_path / 'file.parquet'}' (compression zstd)")
    with closing(sqlite3.connect(tmp_path / "file.db")) as database:
        database.execute("create table t as select ? as mail", [PERSON])
        database.commit()
    files = sorted(tmp_path.iterdir())
    assert found(files, PERSONAL) == [str(file) for file in files]


def left_by(company: Installation) -> list[Path]:
    """The files in its data folder, its home, and the folder for temporary files."""
    folders = (company.data_dir, company.data_dir.with_name("left"))
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


@pytest.mark.nightly
def test_no_secret_is_in_anything_that_a_run_leaves(company: Installation, printed: str) -> None:
    files = left_by(company)
    assert {path.suffix for path in files} >= {
        ".db", ".html", ".json", ".jsonl", ".sqlite", ".log", ".duckdb", ".parquet", ".gz", ".xlsx",
    }  # fmt: skip
    assert found(files, SECRETS) == []
    assert [path for path in files if SECRETS.search(str(path).encode())] == []


@pytest.mark.nightly
def test_no_personal_value_is_anywhere_but_in_the_data(company: Installation, printed: str) -> None:
    files = [path for path in company.data_dir.rglob("*") if path.is_file()]
    of_data = [path for path in files if path.relative_to(company.data_dir).parts[0] in DATA]
    assert found(of_data, PERSONAL)
    assert found([path for path in files if path not in of_data], PERSONAL) == []


@pytest.mark.nightly
def test_nothing_is_printed_either(printed: str) -> None:
    assert "Published" in printed
    assert "Blocked" in printed
    for canary in (SECRETS, PERSONAL):
        assert not canary.search(printed.encode()), printed


@pytest.mark.nightly
@pytest.mark.parametrize("status", [403, 404, 500, 503])
@pytest.mark.usefixtures("printed")
def test_other_failures_leave_nothing_either(company: Installation, api: Api, status: int) -> None:
    assert not SECRETS.search(run_in_vain(company, api, status).encode())
    assert found(left_by(company), SECRETS) == []
