"""The configuration of nginx in docs/security.md, run as it is written there, before the real servers."""

import re
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import httpx2
import pytest
import uvicorn
from starlette.types import ASGIApp
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from pipelines.operations.webserver import GuardedWebserver
from pipelines.pages.app import PagesConfig, application
from pipelines.pages.readers import Readers
from pipelines.pages.server import listening
from pipelines.settings import get_settings
from tests.conftest import PROJECT_DIR
from tests.integration.endpoints import self_signed
from tests.unit.dagster_state import webserver

pytestmark = pytest.mark.nightly
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
PASSWORD = "s3cret"
READERS = Readers.model_validate({"identity_header": "X-Forwarded-User", "readers": {"anna": {}, "otto": {}}})


@dataclass
class Proxy:
    """nginx, as a browser somewhere else sees it."""

    address: str
    trusted: ssl.SSLContext

    def get(self, path: str, user: str | None = "anna", **headers: str) -> httpx2.Response:
        return self.request("GET", path, user, headers)

    def request(
        self, method: str, path: str, user: str | None, headers: dict[str, str], **content: Any
    ) -> httpx2.Response:
        auth = (user, PASSWORD) if user else None
        with httpx2.Client(verify=self.trusted, base_url=f"https://{self.address}", auth=auth) as client:
            return client.request(method, path, headers=headers, **content)

    def websocket(self, origin: str) -> Any:
        url = f"wss://otto:{PASSWORD}@{self.address}/dagster/graphql"
        return connect(url, ssl=self.trusted, origin=origin, subprotocols=["graphql-ws"])  # type: ignore[arg-type, list-item]


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    if not Path(NGINX).exists():
        pytest.skip("the configuration of nginx in docs/security.md was not tried: apt-get install nginx-light")
    folder = tmp_path_factory.mktemp("proxy")
    (folder / "data" / "data_docs" / "site").mkdir(parents=True)
    (folder / "data" / "data_docs" / "site" / "index.html").write_text("check results")
    (folder / "secret").write_text("not for the web")
    (folder / "data" / "data_docs" / "site" / "link.html").symlink_to(folder / "secret")
    listener = listening(0)
    address = f"localhost:{listener.getsockname()[1]}"
    listener.close()
    with _pages(folder, address) as pages, _ui(folder, address) as ui, _nginx(folder, address, pages, ui):
        yield Proxy(address, ssl.create_default_context(cafile=str(folder / "kpi.crt")))


@contextmanager
def _pages(folder: Path, address: str) -> Iterator[int]:
    """The pages of an installation that has published nothing: known readers get 503, others 403."""
    config = PagesConfig(folder / "data" / "published", ZoneInfo("UTC"), READERS, f"https://{address}/sales")
    with _served(application(config)) as port:
        yield port


@contextmanager
def _ui(folder: Path, address: str) -> Iterator[int]:
    settings = get_settings().model_copy(update={"ui_url": f"https://{address}/dagster"})
    (folder / "dagster").mkdir()
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.local_temp(str(folder / "dagster")) as instance:
        patch.setattr("pipelines.operations.webserver.get_settings", lambda: settings)
        with webserver(GuardedWebserver, instance, path="/dagster") as app, _served(app) as port:
            yield port


@contextmanager
def _served(app: ASGIApp) -> Iterator[int]:
    listener = listening(0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def _nginx(folder: Path, address: str, pages: int, ui: int) -> Iterator[None]:
    """nginx with the configuration in the documentation, but with its own ports and folders."""
    [documented] = re.findall(r"```nginx\n(.*?)```", (PROJECT_DIR / "docs" / "security.md").read_text(), re.DOTALL)
    changes = {
        "listen 443": f"listen 127.0.0.1:{address.partition(':')[2]}",
        "kpi.example.com": "localhost",
        "/etc/nginx/": f"{folder}/",
        "127.0.0.1:3003": f"127.0.0.1:{pages}",
        "127.0.0.1:3000": f"127.0.0.1:{ui}",
        "/path/to/the/project/data/": f"{folder}/data/",
    }
    for written, here in changes.items():
        assert written in documented, written
        documented = documented.replace(written, here)
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy"))
    user = "user root;\n" if Path.home() == Path("/root") else ""  # the folder is not for others
    (folder / "nginx.conf").write_text(
        f"{user}pid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}{documented}\n}}\n"
    )
    certificate, key = self_signed("localhost")
    (folder / "kpi.crt").write_bytes(certificate)
    (folder / "kpi.key").write_bytes(key)
    password = subprocess.run(["openssl", "passwd", "-apr1", PASSWORD], capture_output=True, text=True, check=True)
    (folder / "kpi-readers").write_text(f"anna:{password.stdout}otto:{password.stdout}eve:{password.stdout}")
    (folder / "kpi-operators").write_text(f"otto:{password.stdout}")
    nginx = [NGINX, "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf"), "-p", str(folder)]
    subprocess.run(nginx, check=True)  # it goes on in the background once it listens
    try:
        yield
    finally:
        subprocess.run([*nginx, "-s", "stop"], check=True)


def test_the_proxy_says_who_reads_and_nobody_else_can(proxy: Proxy) -> None:
    assert proxy.get("/sales/en/leaders", user=None).status_code == 401
    assert proxy.get("/sales/en/leaders", user="anna").status_code == 503  # a reader; nothing is published
    assert proxy.get("/sales/en/leaders", user="eve").status_code == 403
    assert proxy.get("/sales/en/leaders", user="eve", **{"X-Forwarded-User": "anna"}).status_code == 403
    assert proxy.get("/sales/", user="anna").headers["location"] == "/sales/en/leaders"


def test_the_ui_is_for_operators(proxy: Proxy) -> None:
    ask: dict[str, Any] = {"json": {"query": "{ version }"}}
    own = {"Origin": f"https://{proxy.address}"}
    assert proxy.request("POST", "/dagster/graphql", "anna", own, **ask).status_code == 401
    assert proxy.request("POST", "/dagster/graphql", "otto", own, **ask).json() == {"data": {"version": ""}}
    page = proxy.get("/dagster/", user="otto")
    assert page.status_code == 200
    [script, *_] = re.findall(r'src="(/dagster/[^"]+\.js)"', page.text)
    assert proxy.get(script, user="otto").status_code == 200


def test_the_guard_works_behind_the_proxy(proxy: Proxy) -> None:
    ask: dict[str, Any] = {"json": {"query": "{ version }"}}
    other = {"Origin": "https://evil.example"}
    assert proxy.request("POST", "/dagster/graphql", "otto", other, **ask).status_code == 403
    assert proxy.get("/dagster/graphql?query={version}", user="otto").status_code == 405
    form = proxy.request("POST", "/dagster/graphql?query={version}", "otto", {}, data={"a": "b"})
    assert form.status_code == 415
    assert proxy.get("/sales/en/leaders", **other).status_code == 403


def test_the_live_log_of_a_run_passes_the_proxy(proxy: Proxy) -> None:
    with proxy.websocket(f"https://{proxy.address}") as socket:
        socket.send('{"type": "connection_init"}')
        assert socket.recv() == '{"type":"connection_ack"}'
    with pytest.raises(InvalidStatus, match="403"):
        proxy.websocket("https://evil.example")


def test_check_results_are_for_operators_and_no_link_leads_out(proxy: Proxy) -> None:
    assert proxy.get("/checks/index.html", user="anna").status_code == 401
    assert proxy.get("/checks/", user="otto").text == "check results"
    assert proxy.get("/checks/link.html", user="otto").status_code == 403
    assert proxy.get("/checks/%2e%2e/%2e%2e/secret", user="otto").status_code in (400, 404)
