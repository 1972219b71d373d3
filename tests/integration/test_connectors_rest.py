"""Records of a real HTTP server on loopback that pages, limits, fails and changes, fetched day by day."""

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import simplejson
import yaml

from pipelines.config_files import ConfigError
from pipelines.ingest.connectors import Retries, UnreachableError
from pipelines.ingest.gate import DeliveryError
from tests.conftest import PROJECT_DIR
from tests.integration.connectors import AT_ONCE, FIRST_DAY, Pulled

SECOND_DAY, THIRD_DAY = date(2025, 1, 31), date(2025, 2, 1)
PAGE = 2


def order(number: int, updated_at: str, **more: Any) -> dict[str, Any]:
    return {"id": number, "total": Decimal("12.30"), "updated_at": updated_at, **more}


class Api:
    """An API of orders. It answers with `faults` first, one per request. It calls `between_pages` after a full page."""

    def __init__(self) -> None:
        self.orders = [order(number, f"2025-01-30T0{number}:00:00Z") for number in range(1, 6)]
        self.faults: list[str] = []
        self.closed = threading.Event()
        self.between_pages: Callable[[], None] | None = None
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.headers: list[dict[str, str]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.answer(self)

            def log_message(self, *_: Any) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        params = dict(parse_qsl(parts.query))
        self.asked.append((parts.path, params))
        self.headers.append(dict(request.headers))
        if self.faults:
            return self.fail(request, self.faults.pop(0))
        body, headers = self.page(parts.path.removeprefix("/v1/"), params)
        self.send(
            request, 200, simplejson.dumps(body, use_decimal=True), {"Content-Type": "application/json", **headers}
        )
        if self.between_pages:
            self.between_pages()
        return None

    def page(self, kind: str, params: dict[str, str]) -> tuple[Any, dict[str, str]]:
        """One page of the orders in the window, newest change last, and the headers that lead to the next page."""
        chosen = sorted(
            (
                row
                for row in self.orders
                if params.get("updated_since", "") <= row["updated_at"] < params.get("updated_before", "9")
            ),
            key=lambda row: (row["updated_at"], row["id"]),
        )
        if kind == "plain":
            return chosen, {}
        start = {"pages": PAGE * (int(params.get("page", 1)) - 1), "offset": int(params.get("offset", 0))}.get(
            kind, int(params.get("after", 0))
        )
        rows, more = chosen[start : start + PAGE], start + PAGE < len(chosen)
        body: dict[str, Any] = {"data": {"orders": rows}}
        headers = {}
        link = f"{self.url}/{kind}?{urlencode({**params, 'after': start + PAGE})}"
        if kind == "pages":
            body["total_pages"] = -(-len(chosen) // PAGE)
        elif kind == "offset":
            body["total"] = len(chosen)
        elif kind == "cursor":
            body["next"] = str(start + PAGE) if more else None
        elif kind == "linked":
            body["links"] = {"next": link if more else None}
        elif kind == "header" and more:
            headers = {"Link": f'<{link}>; rel="next"'}
        elif kind == "header_cursor" and more:
            headers = {"X-Next": str(start + PAGE)}
        return body, headers

    def fail(self, request: BaseHTTPRequestHandler, fault: str) -> None:
        half = '{"data": {"orders": [{"id": 1, "tot'
        if fault == "hang":
            self.closed.wait()  # never answers, so the client has to give up by itself
        elif fault == "drop":
            request.connection.shutdown(socket.SHUT_RDWR)
        elif fault == "half":
            self.send(request, 200, half, {"Content-Length": "1000"})
        elif fault == "half without a length":
            self.send(request, 200, half, {"Connection": "close"})
        elif fault.isdigit():
            self.send(request, int(fault), "no: order of Jan Kowalski", {"Retry-After": "0"} if fault == "429" else {})
        else:
            kind = "text/html" if fault.startswith("<") else "application/json"
            self.send(request, 200, fault, {"Content-Type": kind})

    def send(self, request: BaseHTTPRequestHandler, status: int, text: str, headers: dict[str, str]) -> None:
        body = text.encode()
        request.send_response(status)
        for name, value in {
            **({} if "Connection" in headers else {"Content-Length": str(len(body))}),
            **headers,
        }.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    yield api
    api.closed.set()
    api.server.shutdown()
    api.server.server_close()


PAGES = {"type": "page_number", "base_page": 1, "total_path": "total_pages"}
INCREMENTAL = {"cursor": "updated_at", "cursor_start_param": "updated_since", "cursor_end_param": "updated_before"}


def shop(
    folder: Path,
    api: Api,
    path: str = "/pages",
    auth: dict[str, str] | None = None,
    retries: Retries = AT_ONCE,
    columns: str = "id total updated_at",
    **fetch: Any,
) -> Pulled:
    fetch = {"path": path, "data_selector": "data.orders", "paginator": PAGES, **INCREMENTAL, **fetch}
    return Pulled(
        folder,
        {"connector": "rest", "base_url": api.url, "auth": auth},
        {"columns": columns.split(), "fetch": {name: value for name, value in fetch.items() if value is not None}},
        retries,
    )


@pytest.mark.parametrize(
    ("path", "paginator", "requests"),
    [
        ("/pages", PAGES, 3),
        ("/offset", {"type": "offset", "limit": PAGE}, 3),
        ("/cursor", {"type": "cursor", "cursor_path": "next", "cursor_param": "after"}, 3),
        ("/linked", {"type": "json_link", "next_url_path": "links.next"}, 3),
        ("/header", "header_link", 3),
        ("/header_cursor", {"type": "header_cursor", "cursor_key": "X-Next", "cursor_param": "after"}, 3),
        ("/plain", None, 1),
    ],
)
def test_every_page_is_read_once(tmp_path: Path, api: Api, path: str, paginator: Any, requests: int) -> None:
    orders = shop(tmp_path, api, path, paginator=paginator, data_selector=None if path == "/plain" else "data.orders")
    assert orders.ids(SECOND_DAY) == ["1", "2", "3", "4", "5"]
    assert len(api.asked) == requests


def test_values_land_as_the_text_they_are(tmp_path: Path, api: Api) -> None:
    api.orders = [
        order(
            12345678901234567890,
            "2025-01-30T10:00:00Z",
            name="Żółw",
            flag=True,
            nothing=None,
            nested={"amount": Decimal("1.50"), "tags": ["ł", 12345678901234567890]},
        )
    ]
    orders = shop(tmp_path, api, columns="id total updated_at name flag nothing nested")
    before = orders.fetch()
    landed = orders.land()
    assert (landed.outcome, landed.rows, landed.undeclared_columns) == ("landed", 1, [])
    assert orders.raw("id, total, name, flag, nothing, nested") == [
        ("12345678901234567890", "12.30", "Żółw", "true", None, '{"amount": 1.50, "tags": ["ł", 12345678901234567890]}')
    ]
    assert orders.fetch() == before
    assert orders.land().outcome == "unchanged"


def test_the_order_of_an_answer_does_not_change_the_bytes(tmp_path: Path, api: Api) -> None:
    orders = shop(tmp_path, api, "/plain", paginator=None, data_selector=None)
    api.orders[1]["updated_at"] = api.orders[0]["updated_at"]
    before = orders.fetch()
    api.page = lambda kind, params: (api.orders[::-1], {})  # type: ignore[method-assign]
    assert orders.fetch() == before


@pytest.mark.parametrize(
    "faults", [["429"], ["500", "503"], ["drop", "drop"], ["half"], ["half without a length"], ["<html>Busy</html>"]]
)
def test_a_passing_fault_is_asked_again_and_no_record_is_lost_or_doubled(
    tmp_path: Path, api: Api, faults: list[str]
) -> None:
    api.faults = list(faults)
    assert shop(tmp_path, api).ids(SECOND_DAY) == ["1", "2", "3", "4", "5"]
    assert len(api.asked) == 3 + len(faults)


def test_an_answer_that_does_not_come_is_given_up_and_asked_for_again(
    tmp_path: Path, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.ingest.connectors.rest._TIMEOUT_SECONDS", 0.3)
    api.faults = ["hang"]
    assert shop(tmp_path, api).ids(SECOND_DAY) == ["1", "2", "3", "4", "5"]
    assert len(api.asked) == 4
    api.faults = ["hang"] * 5
    with pytest.raises(UnreachableError, match=r"cannot be read \(ReadTimeout, 5 attempts\)"):
        shop(tmp_path, api).fetch()


def test_waits_grow_and_a_rate_limit_says_how_long(tmp_path: Path, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waits.append)
    api.faults = ["500", "500", "500", "429"]
    send = api.send
    api.send = lambda request, status, text, headers: send(  # type: ignore[method-assign]
        request, status, text, {**headers, "Retry-After": "17"} if status == 429 else headers
    )
    shop(tmp_path, api, retries=Retries()).fetch()
    assert waits == [1, 2, 4, 17]


@pytest.mark.parametrize(
    ("fault", "times", "message"),
    [
        ("503", 5, r"shop\.orders: /pages returned HTTP status 503\. Run the day again later"),
        ("429", 5, r"returned HTTP status 429\. Run the day again later"),
        ("404", 1, r"returned HTTP status 404\. Correct `base_url`, `path` and `params`"),
        ("401", 1, r"returned HTTP status 401\. Check that the secrets that `auth` names"),
        ("drop", 5, r"/pages of 127\.0\.0\.1:\d+ cannot be read \(ConnectionError, 5 attempts\)"),
        ("half", 5, r"/pages of 127\.0\.0\.1:\d+ cannot be read \(ChunkedEncodingError, 5 attempts\)"),
        ("half without a length", 5, r"the response is not JSON but an unspecified type, \d+ bytes"),
        ("<html>Log in</html>", 5, r"the response is not JSON but text/html, 19 bytes"),
        (
            '{"error": "Jan Kowalski"}',
            1,
            r"no list of records at 'data\.orders'; it is an object with error\. Correct `d",
        ),
        ('{"data": {"orders": null}}', 1, r"no list of records at 'data\.orders'; it is an object with data"),
        ("[]", 1, r"no list of records at 'data\.orders'; it is list"),
        ('{"data": {"orders": [[1]]}}', 1, r"record 1 of a page is a list, not an object"),
        ('{"data": {"orders": [{"id": 1}]}, "total_pages": 1}', 1, r"record 1: the cursor 'updated_at' is missing"),
        ('{"data": {"orders": [{"id": 1, "updated_at": "x"}]}, "total_pages": 1}', 1, r"'updated_at' is not a time in"),
        ('{"data": {"orders": [{"id": "Kowalski"}]}}', 1, r"the paginator page_number does not find what it needs in"),
    ],
)
def test_what_is_no_page_of_records_is_an_error_and_never_no_rows(
    tmp_path: Path, api: Api, monkeypatch: pytest.MonkeyPatch, fault: str, times: int, message: str
) -> None:
    monkeypatch.setenv("SHOP_KEY", "hunter2")
    api.faults = [fault] * 9
    auth = {"type": "api_key", "name": "key", "key_env": "SHOP_KEY", "location": "query"}
    with pytest.raises(DeliveryError, match=message) as caught:
        shop(tmp_path, api, auth=auth).fetch()
    assert len(api.asked) == times
    assert "hunter2" not in str(caught.value)
    assert "Kowalski" not in str(caught.value)
    assert not list(tmp_path.glob("landing/shop/orders/*"))


def test_a_page_that_breaks_in_the_middle_leaves_the_file_that_was_there(tmp_path: Path, api: Api) -> None:
    orders = shop(tmp_path, api)
    before = orders.fetch()
    api.between_pages = lambda: api.faults.extend(["404"])
    with pytest.raises(DeliveryError, match="404"):
        orders.fetch()
    assert [path.read_bytes() for path in tmp_path.glob("landing/shop/orders/*")] == [before]


def test_the_first_day_brings_the_history_and_each_later_day_its_half_open_window_with_the_lag(
    tmp_path: Path, api: Api
) -> None:
    """Warsaw is an hour ahead of UTC in January."""
    api.orders = [
        order(1, "2024-01-01T00:00:00Z"),
        order(2, "2025-01-30T22:59:59Z"),
        order(3, "2025-01-30T23:00:00Z"),
        order(4, "2025-01-31T23:00:00Z"),
    ]
    orders = shop(tmp_path, api)
    assert orders.ids(FIRST_DAY) == ["1", "2"]
    assert orders.ids(SECOND_DAY) == ["2", "3"]
    assert orders.ids(THIRD_DAY) == ["3", "4"]
    windows = {(asked.get("updated_since"), asked.get("updated_before")) for _, asked in api.asked}
    assert windows == {
        (None, "2025-01-30T23:00:00Z"),
        ("2025-01-29T23:00:00Z", "2025-01-31T23:00:00Z"),
        ("2025-01-30T23:00:00Z", "2025-02-01T23:00:00Z"),
    }


@pytest.mark.parametrize("params", [[], ["cursor_start_param"], ["cursor_end_param"]])
def test_an_api_that_cannot_filter_brings_no_more_than_the_window(tmp_path: Path, api: Api, params: list[str]) -> None:
    api.orders = [
        order(1, "2025-01-30T22:00:00Z"),
        order(2, "2025-01-31T01:00:00+01:00"),
        order(3, "2025-01-31T23:00:00Z"),
    ]
    api.orders.append(order(4, None))  # type: ignore[arg-type]
    api.page = lambda kind, asked: ({"data": {"orders": api.orders}, "total_pages": 1}, {})  # type: ignore[method-assign]
    some = {name: None for name in ("cursor_start_param", "cursor_end_param") if name not in params}
    orders = shop(tmp_path, api, **some)
    orders.table = orders.table.model_copy(
        update={"fetch": orders.table.fetch.model_copy(update={"lag_days": 0})}  # type: ignore[union-attr]
    )
    assert orders.ids(SECOND_DAY) == ["4", "2"]


@pytest.mark.parametrize(
    ("cursor_format", "value", "since", "before"),
    [
        ("iso", "2025-01-31 08:00:00", "2025-01-29T23:00:00Z", "2025-01-31T23:00:00Z"),
        ("date", "2025-01-31", "2025-01-30", "2025-02-01"),
        ("epoch_seconds", 1738310400, "1738191600", "1738364400"),
        ("epoch_milliseconds", 1738310400000, "1738191600000", "1738364400000"),
    ],
)
def test_times_are_asked_for_and_read_as_the_api_writes_them(
    tmp_path: Path, api: Api, cursor_format: str, value: Any, since: str, before: str
) -> None:
    api.orders = [order(1, value)]
    api.page = lambda kind, asked: (api.orders, {})  # type: ignore[method-assign]
    orders = shop(tmp_path, api, "/plain", paginator=None, data_selector=None, cursor_format=cursor_format)
    assert orders.ids(SECOND_DAY) == ["1"]
    assert api.asked == [("/v1/plain", {"updated_since": since, "updated_before": before})]


@pytest.mark.parametrize("path", ["/pages", "/offset"])
def test_a_record_skipped_because_another_changed_between_two_pages_comes_with_the_next_days_lag(
    tmp_path: Path, api: Api, path: str
) -> None:
    """Order 1 leaves the window while page 1 is read: page 2 then begins after order 3, which has not been read."""
    paginator = PAGES if path == "/pages" else {"type": "offset", "limit": PAGE}
    orders = shop(tmp_path, api, path, paginator=paginator)
    for row in api.orders:
        row["updated_at"] = f"2025-01-31T0{row['id']}:00:00Z"
    api.between_pages = lambda: change(api, "2025-02-01T09:00:00Z")
    orders.fetch(SECOND_DAY)
    orders.land(SECOND_DAY)
    assert orders.raw("id, total", SECOND_DAY) == [("1", "12.30"), ("2", "12.30"), ("4", "12.30"), ("5", "12.30")]
    orders.fetch(THIRD_DAY)
    orders.land(THIRD_DAY)
    newest = dict(orders.raw("id, total", SECOND_DAY, THIRD_DAY))
    assert newest == {"1": "99.00", "2": "12.30", "3": "12.30", "4": "12.30", "5": "12.30"}


@pytest.mark.parametrize("cursor", ["updated_at", None])
def test_a_record_skipped_by_the_pages_of_the_history_is_read_again_at_once(
    tmp_path: Path, api: Api, cursor: str | None
) -> None:
    """No later window reaches back so far. Without a cursor, a missing record would look deleted."""
    without = {} if cursor else dict.fromkeys(INCREMENTAL)
    orders = shop(tmp_path, api, **without)
    api.between_pages = lambda: change(api, "2025-01-30T23:00:00Z") if cursor else leave(api)
    assert orders.ids() == ["1", "2", "3", "4", "5"]


def change(api: Api, updated_at: str) -> None:
    """Change the first order, once."""
    api.between_pages = None
    api.orders[0].update(updated_at=updated_at, total=Decimal("99.00"))


def leave(api: Api) -> None:
    """Delete the first order."""
    api.between_pages = None
    del api.orders[0]


def test_records_that_never_stand_still_are_an_error(tmp_path: Path, api: Api) -> None:
    def another(kind: str, params: dict[str, str]) -> tuple[Any, dict[str, str]]:
        return {"data": {"orders": [order(len(api.asked), "2025-01-30T12:00:00Z")]}, "next": None}, {}

    api.page = another  # type: ignore[method-assign]
    orders = shop(tmp_path, api, paginator={"type": "cursor", "cursor_path": "next", "cursor_param": "after"})
    with pytest.raises(DeliveryError, match="records change faster than they can be read"):
        orders.fetch()


def test_secrets_go_where_the_api_wants_them(tmp_path: Path, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_SECRET", "s3cret")
    monkeypatch.setenv("SHOP_USER", "reader")
    bearer = {"type": "bearer", "token_env": "SHOP_SECRET"}
    shop(tmp_path, api, auth=bearer).fetch()
    assert {headers["Authorization"] for headers in api.headers} == {"Bearer s3cret"}
    api.headers.clear()
    shop(tmp_path, api, auth={"type": "api_key", "name": "X-Key", "key_env": "SHOP_SECRET"}).fetch()
    assert {headers["X-Key"] for headers in api.headers} == {"s3cret"}
    api.headers.clear()
    shop(tmp_path, api, auth={"type": "basic", "user_env": "SHOP_USER", "password_env": "SHOP_SECRET"}).fetch()
    assert {headers["Authorization"] for headers in api.headers} == {"Basic cmVhZGVyOnMzY3JldA=="}
    monkeypatch.delenv("SHOP_SECRET")
    with pytest.raises(ConfigError, match=r"source shop: `auth\.token_env` names .* SHOP_SECRET, which is not set"):
        shop(tmp_path, api, auth=bearer).fetch()


def test_secrets_do_not_follow_a_link_to_another_host(
    tmp_path: Path, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_SECRET", "s3cret")
    elsewhere = Api()
    link = {"links": {"next": f"{elsewhere.url}/linked"}, "data": {"orders": api.orders}}
    api.page = lambda kind, params: (link, {})  # type: ignore[method-assign]
    orders = shop(
        tmp_path,
        api,
        auth={"type": "bearer", "token_env": "SHOP_SECRET"},
        paginator={"type": "json_link", "next_url_path": "links.next"},
    )
    with pytest.raises(DeliveryError, match=r"the next page is at http://127\.0\.0\.1:\d+, not at http"):
        orders.fetch()
    assert elsewhere.asked == []
    elsewhere.server.shutdown()
    elsewhere.server.server_close()


def test_secrets_do_not_follow_a_redirect(tmp_path: Path, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_SECRET", "s3cret")
    elsewhere = Api()
    api.fail = lambda request, _: api.send(  # type: ignore[method-assign]
        request, 302, "", {"Location": f"{elsewhere.url}/pages"}
    )
    api.faults = ["302"]
    orders = shop(tmp_path, api, auth={"type": "api_key", "name": "X-Key", "key_env": "SHOP_SECRET"})
    with pytest.raises(DeliveryError, match=r"the API redirects to http://127\.0\.0\.1:\d+, and secrets are not"):
        orders.fetch()
    assert elsewhere.asked == []
    elsewhere.server.shutdown()
    elsewhere.server.server_close()


def test_pages_without_end_are_an_error(tmp_path: Path, api: Api) -> None:
    api.page = lambda kind, params: ({"data": {"orders": api.orders}, "next": "same"}, {})  # type: ignore[method-assign]
    orders = shop(tmp_path, api, paginator={"type": "cursor", "cursor_path": "next", "cursor_param": "after"})
    with pytest.raises(DeliveryError, match="links back to a page that has been read, so reading would never end"):
        orders.fetch()
    assert len(api.asked) == 2


def test_a_paginators_wrong_setting_is_named(tmp_path: Path, api: Api) -> None:
    with pytest.raises(ConfigError, match=r"shop\.orders: `fetch\.paginator`: .*'limits'"):
        shop(tmp_path, api, paginator={"type": "offset", "limits": 2}).fetch()


def test_nothing_is_reported_anywhere_nor_written_outside_the_data_folder(tmp_path: Path, api: Api) -> None:
    """A separate process lists every connection that it opens."""
    script = f"""
import sys
from pathlib import Path
connections = []
sys.addaudithook(lambda event, arguments: connections.append(arguments[1]) if event == "socket.connect" else None)
from tests.integration.test_connectors_rest import Api, shop
api = Api()
shop(Path({str(tmp_path / "data")!r}), api).fetch()
assert api.asked
assert {{tuple(address[:1]) for address in connections}} == {{("127.0.0.1",)}}, connections
"""
    home = tmp_path / "home"
    home.mkdir()
    finished = subprocess.run(
        [sys.executable, "-c", script],
        cwd=home,
        env={"HOME": str(home), "PYTHONPATH": str(PROJECT_DIR), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert list(home.rglob("*")) == []
    assert [path.name for path in (tmp_path / "data").rglob("*.gz")] == [f"orders_{FIRST_DAY}.jsonl.gz"]


def test_the_documented_example_is_the_tested_one(tmp_path: Path, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (PROJECT_DIR / "docs" / "connect" / "rest.md").read_text(encoding="utf-8")
    example = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])
    monkeypatch.setenv("WEBSHOP_TOKEN", "s3cret")
    tables = example.pop("tables")
    orders = Pulled(tmp_path, {**example, "base_url": api.url}, tables["orders"])
    api.page = lambda kind, params: Api.page(api, "pages", params)  # type: ignore[method-assign]
    assert orders.ids() == ["1", "2", "3", "4", "5"]
    path, params = api.asked[0]
    assert path == "/v1/orders"
    assert params == {"page": "1", "per_page": "100", "updated_before": "2025-01-30T23:00:00Z"}
