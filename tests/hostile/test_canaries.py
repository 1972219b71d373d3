"""Secrets of connectors and personal values of deliveries, looked for in everything that is said about failures.

Secrets of notification channels are in `tests/integration/test_alerts_delivery.py`, those of databases in
`test_connectors_sql.py`, and what a whole run leaves behind in `test_daily_run.py` there.
"""

import base64
import logging
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
import yaml

from pipelines.ingest.connectors import Retries, UnreachableError, fetch
from pipelines.ingest.gate import DeliveryError
from pipelines.ingest.landing import land
from pipelines.quarantine.files import QuarantinedFiles
from pipelines.settings import PROJECT_DIR, load_settings
from pipelines.sources import SourceFile, Table
from pipelines.warehouse import sandboxed
from tests.hostile.workbooks import number, workbook

DAY = date(2025, 1, 31)
SECRET = "canary/Tok3n+of=odd&signs"
USER = "canary-user"
AT_ONCE = Retries(attempts=2, first_wait_seconds=0, longest_wait_seconds=0)

AUTHS = {
    "bearer": {"type": "bearer", "token_env": "CANARY"},
    "key in the address": {"type": "api_key", "name": "key", "key_env": "CANARY", "location": "query"},
    "key in a header": {"type": "api_key", "name": "X-Key", "key_env": "CANARY"},
    "password": {"type": "basic", "user_env": "CANARY_USER", "password_env": "CANARY"},
    "address": None,
}


def forms_of(secret: str) -> set[str]:
    """A secret as it is, encoded for addresses, and in base64 at each place that a longer text may give it."""
    encoded = {base64.b64encode(b" " * before + secret.encode()).decode().rstrip("=")[4:-4] for before in range(3)}
    return {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), *encoded}


def found_in(text: str) -> list[str]:
    """The forms of the secrets that occur in a text."""
    forms = forms_of(SECRET) | forms_of(f"{USER}:{SECRET}") | {"canary"}
    return [form for form in sorted(forms) if form.lower() in text.lower()]


@dataclass
class Answer:
    """What an API says to every request. It may repeat what it received."""

    status: int = 200
    body: str = "{}"
    headers: dict[str, str] = field(default_factory=dict)


FAULTS = {
    "denied": Answer(401, f'{{"error": "{SECRET} has expired"}}'),
    "broken": Answer(500, SECRET),
    "not found": Answer(404, SECRET),
    "no JSON": Answer(200, f"<html>{SECRET}</html>", {"Content-Type": "text/html"}),
    "no list": Answer(200, f'{{"error": "{SECRET}"}}'),
    "no objects": Answer(200, f'{{"data": ["{SECRET}"]}}'),
    "no next page": Answer(200, '{"data": []}'),
    "elsewhere": Answer(302, "", {"Location": f"http://{USER}:canary@127.0.0.1:9/?key={quote(SECRET, safe='')}"}),
    "next page elsewhere": Answer(
        200, f'{{"data": [{{"id": 1}}], "next": "http://{USER}:canary@127.0.0.1:9/?key={quote(SECRET, safe="")}"}}'
    ),
}


@pytest.fixture
def api() -> Iterator[ThreadingHTTPServer]:
    class Handler(BaseHTTPRequestHandler):
        answer = Answer()

        def do_GET(self) -> None:
            self.send_response(self.answer.status)
            for name, value in {"Content-Type": "application/json", **self.answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(self.answer.body.encode())

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("auth", AUTHS)
def test_no_secret_of_an_api_is_in_what_is_said_about_its_failures(
    auth: str,
    api: ThreadingHTTPServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    host = f"127.0.0.1:{api.server_address[1]}"
    secret = quote(SECRET, safe="")
    monkeypatch.setenv("CANARY", SECRET)
    monkeypatch.setenv("CANARY_USER", USER)
    settings = load_settings(PROJECT_DIR / "kpi.yml").model_copy(update={"data_dir": tmp_path})
    said = []
    for fault, answer in {**FAULTS, "unreachable": Answer()}.items():
        here = "127.0.0.1:9" if fault == "unreachable" else host
        address = f"http://{USER}:{secret}@{here}/{secret}" if auth == "address" else f"http://{here}"
        monkeypatch.setenv("CANARY_URL", address)
        monkeypatch.setattr(api.RequestHandlerClass, "answer", answer)
        table = {
            "description": "Orders.",
            "columns": ["id"],
            "key": ["id"],
            "fetch": {
                "path": "/orders",
                "paginator": {"type": "json_link", "next_url_path": "next"},
                "data_selector": "data",
            },
        }
        source = SourceFile.model_validate(
            {
                "description": "Ours.",
                "connector": "rest",
                "base_url_env": "CANARY_URL",
                "auth": AUTHS[auth],
                "owner": "team:data",
                "sla": "06:00",
                "entities": [],
                "tables": {"orders": table},
            }
        )
        with pytest.raises((DeliveryError, UnreachableError)) as told:
            fetch(source, "orders", source.tables["orders"], DAY, settings, AT_ONCE)
        said.append(str(told.value) + "".join(traceback.format_exception(told.value)))
    printed = capfd.readouterr()
    stored = [path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()]
    for text in (*said, printed.out, printed.err, caplog.text, *stored):
        assert found_in(text) == [], text


PERSON = "anna.canary@example.com"
DELIVERIES = {
    "no header": ("csv", f"{PERSON},Anna Canary\n"),
    "a column too few": ("csv", f"mail\n{PERSON}\n"),
    "a header twice": ("csv", f"mail,mail,name\n{PERSON},x,Anna Canary\n"),
    "another encoding": ("csv", f"mail,name\n{PERSON},Canary\xe9\n".encode("latin-1")),
    "cut": ("csv", f"mail,name\n{PERSON},Anna Canar"),
    "another delimiter": ("csv", f"mail;name\n{PERSON};Anna Canary\n"),
    "broken JSON": ("json", f'[{{"mail": "{PERSON}", "name": Anna Canary}}]'),
    "JSON of another form": ("json", f'{{"{PERSON}": {{"name": "Anna Canary"}}}}'),
    "a text where a number is": ("excel", workbook(number(PERSON))),
    "no workbook": ("excel", f"PK{PERSON}"),
    "no Parquet": ("parquet", f"PAR1{PERSON}{PERSON}PAR1"),
}


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_no_personal_value_is_in_the_reason_for_which_a_file_is_refused(tmp_path: Path, delivery: str) -> None:
    format_, content = DELIVERIES[delivery]
    columns = ["id", "amount"] if format_ == "excel" else ["mail", "name"]
    table = Table.model_validate(
        {
            "description": "People.",
            "path": "people_{delivered_on}",
            "format": format_,
            "columns": columns,
            "personal_columns": columns,
            "key": [columns[0]],
        }
    )
    landing, raw = tmp_path / "landing", tmp_path / "raw"
    landing.mkdir()
    (landing / f"people_{DAY}").write_bytes(content if isinstance(content, bytes) else content.encode())
    quarantine = QuarantinedFiles(tmp_path / "quarantine", landing)
    with sandboxed(landing, raw) as database, pytest.raises(DeliveryError) as told:
        land("box", "people", table, DAY, landing, raw, database, quarantine)
    [kept] = quarantine.of_day("box", "people", DAY)
    assert "canary" not in (str(told.value) + kept.reason).lower()
    assert "canary" not in yaml.safe_dump([str(path) for path in tmp_path.rglob("*")]).lower()
