"""`kpi dev` in a real browser: the UI works, a page of another site does nothing through it, and everything ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.conftest import PROJECT_DIR

pytestmark = pytest.mark.nightly
KPI = "sources: [shop]\nfirst_delivery: 2026-01-01\ntime_zone: UTC\nreporting_currency: EUR\ndata_dir: .\n"
WIPE = 'mutation { wipeAssets(assetPartitionRanges: [{assetKey: {path: ["orders"]}}]) { __typename } }'
# What a page can try without any permission of the server that it attacks.
ATTACK = """
<!doctype html><title>attack</title><body><script>
const attack = async (ui, docs, pages, wipe) => {
    const outcome = async (promise) => { try { return await promise } catch { return "refused" } };
    const read = (url) => outcome(fetch(url).then((response) => response.text()));
    const post = (type) => outcome(fetch(ui + "/graphql?query=" + encodeURIComponent(wipe), {
        method: "POST", mode: "no-cors", headers: {"Content-Type": type}, body: JSON.stringify({query: wipe}),
    }).then(() => "sent"));
    const included = (url) => new Promise((done) => {
        const script = document.createElement("script");
        script.onload = () => done("loaded"); script.onerror = () => done("refused"); script.src = url;
        document.body.append(script);
    });
    const submitted = () => new Promise((done) => {
        const frame = document.createElement("iframe"), form = document.createElement("form");
        frame.name = "sent"; form.target = "sent"; form.method = "post";
        form.action = ui + "/graphql?query=" + encodeURIComponent(wipe);
        document.body.append(frame, form); frame.onload = () => done("sent"); form.submit();
    });
    const connected = () => new Promise((done) => {
        const socket = new WebSocket(ui.replace("http", "ws") + "/graphql", "graphql-ws");
        socket.onopen = () => done("open"); socket.onerror = () => done("refused");
    });
    const seen = {};
    for (const [name, url] of Object.entries({ui: ui + "/server_info", docs: docs + "/", pages: pages + "/"}))
        seen[name] = await read(url);
    seen.address = await included(ui + "/graphql?query=" + encodeURIComponent(wipe));
    await post("text/plain"); await post("application/x-www-form-urlencoded"); await submitted();
    seen.json = await outcome(fetch(ui + "/graphql", {
        method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({query: wipe}),
    }).then((response) => response.text()));
    seen.websocket = await connected();
    return seen;
};
</script>
"""


class _Attacker(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(ATTACK.encode())

    def log_message(self, *_: object) -> None: ...


@dataclass
class Dev:
    """A running `kpi dev`."""

    process: subprocess.Popen[str]
    folder: Path
    ports: list[int]

    @property
    def addresses(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    def post(self, path: str, content: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            self.addresses[0] + path, json.dumps(content).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)

    def assets(self) -> list[list[str]]:
        """The keys of the assets that have ever been materialized."""
        found = self.post(
            "/graphql",
            {"query": "{ assetRecordsOrError { ... on AssetRecordConnection { assets { key { path } } } } }"},
        )
        return [asset["key"]["path"] for asset in found["data"]["assetRecordsOrError"]["assets"]]

    def processes(self) -> list[str]:
        """The commands of what it has started and is still running."""
        commands = [file.read_bytes().replace(b"\0", b" ").decode() for file in _command_lines()]
        return [command for command in commands if str(self.folder) in command]


def _command_lines() -> Iterator[Path]:
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            file.read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        yield file


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    folder = tmp_path_factory.mktemp("dev")
    (folder / "kpi.yml").write_text(KPI)
    ports = [_free_port() for _ in range(3)]
    options = zip(("--port", "--docs-port", "--pages-port"), map(str, ports), strict=True)
    environment = {name: value for name, value in os.environ.items() if name not in ("DATA_DIR", "DAGSTER_HOME")}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines", "dev", *(word for option in options for word in option)],
            cwd=PROJECT_DIR,
            env={**environment, "KPI_CONFIG": str(folder / "kpi.yml"), "TMPDIR": str(folder)},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    dev = Dev(process, folder, ports)
    try:
        assert process.stdout
        said = next((line for line in process.stdout if "Ready" in line), "")
        assert said == f"Ready: {dev.addresses[0]}\n", (folder / "log").read_text()
        yield dev
    finally:
        process.terminate()
        process.wait()


def test_the_ui_works_in_a_browser(dev: Dev, browser: Browser) -> None:
    page = browser.new_page()
    received: list[str] = []
    page.on("websocket", lambda opened: opened.on("framereceived", lambda frame: received.append(str(frame))))
    with page.expect_websocket() as websocket:
        page.goto(f"{dev.addresses[0]}/locations")
    page.get_by_text("pipelines.definitions").first.wait_for()
    if not received:
        websocket.value.wait_for_event("framereceived")
    assert "connection_ack" in received[0]
    page.close()


def test_a_page_of_another_site_reads_and_changes_nothing(dev: Dev, browser: Browser) -> None:
    dev.post("/report_asset_materialization/orders", {})
    assert ["orders"] in dev.assets()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Attacker) as attacker:
        threading.Thread(target=attacker.serve_forever, daemon=True).start()
        page = browser.new_page()
        page.goto(f"http://localhost:{attacker.server_port}/")
        seen = page.evaluate("([ui, docs, pages, wipe]) => attack(ui, docs, pages, wipe)", [*dev.addresses, WIPE])
        page.close()
        attacker.shutdown()
    assert seen == dict.fromkeys(("ui", "docs", "pages", "address", "json", "websocket"), "refused")
    assert ["orders"] in dev.assets()


def test_all_of_it_ends_with_the_command(dev: Dev) -> None:
    assert len(dev.processes()) >= 4  # code server, webserver, daemon, Data Docs
    dev.process.send_signal(signal.SIGTERM)
    assert dev.process.wait() == 0
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", dev.ports[0]))
    assert [command for command in dev.processes() if "data_docs" not in command] == []
    assert list(dev.folder.glob("kpi-dev-*")) == []
