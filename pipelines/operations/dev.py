"""Implements `kpi dev`: the Dagster UI and the pages that it links to, on this machine.

Belongs here: the addresses of both, starting them, saying when they respond, ending them.
Does not belong here: what the UI shows (`definitions.py`), who may ask it (`webserver.py`), and the pages
(`checks/data_docs/`, `alerts/page.py`).
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import dagster as dg
import yaml
from rich.console import Console

from pipelines.alerts.service import AlertService
from pipelines.checks.data_docs import server
from pipelines.checks.data_docs.pages import page, write_pages
from pipelines.output import UsageError
from pipelines.runs.code_location import MODULE
from pipelines.runs.job import prepare_instance
from pipelines.settings import PROJECT_DIR, Settings, at_ports, remember_addresses
from pipelines.web_guard import LOOPBACK, PASSWORD_VARIABLE, password_of_environment

_HOST = "127.0.0.1"
_CODE_SERVER = "The code server"
_LOOK_EVERY_SECONDS = 0.5
_ENDING_SECONDS = 60.0


def serve(
    settings: Settings, port: int, docs_port: int, pages_port: int | None, console: Console, read_only: bool = False
) -> int:
    """Run the UI on `port`, Data Docs on `docs_port` and the pages on `pages_port` of 127.0.0.1 until interrupted;
    return an exit code. With `read_only`, the UI changes nothing.

    Raises:
        UsageError: the port of the UI is taken.
    """
    _refuse_taken(port)
    settings = at_ports(settings, port, docs_port, pages_port)
    prepare_instance(settings)
    remember_addresses(settings)
    site = settings.data_docs_dir / "site"
    write_pages(site)
    AlertService.of(settings).write_page(datetime.now(UTC))  # its links to runs follow the ports
    _write_first_page(site)
    interrupted = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: interrupted.set())
    docs = server.start(site, settings.data_docs_url)
    pages = _start_pages(settings)

    def say_ready() -> None:
        console.print(f"Ready: {settings.ui_url}", markup=False)
        if docs and docs.poll() is None:
            console.print(f"Check results and documentation: {settings.data_docs_url}", markup=False)
        if pages and pages.poll() is None:
            console.print(f"Pages for people who read KPIs: {settings.pages_url}", markup=False)

    with TemporaryDirectory(prefix="kpi-dev-") as folder:
        services = DagsterServices(Path(folder), urlsplit(settings.ui_url).path, port, read_only)
        ended = services.serve(interrupted, say_ready)
    if ended:
        console.print(f"{ended} ended by itself; the lines above say why. Start it again: kpi dev", markup=False)
    return 1 if ended else 0


class DagsterServices:
    """What `dagster dev` starts, but with the guard before its webserver: code server, webserver and daemon."""

    def __init__(self, folder: Path, ui_path: str, port: int, read_only: bool) -> None:
        """`folder` is for the code server's socket and the workspace file that names it; `ui_path` is where a proxy
        serves the UI.
        """
        self._socket, self._workspace = folder / "code", folder / "workspace.yaml"
        self._path, self._port, self._read_only = ui_path, port, read_only
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def serve(self, interrupted: threading.Event, say_ready: Callable[[], None]) -> str:
        """Run until interrupted, or until one of them ends by itself; return which one did."""
        shown = {"module_name": MODULE, "working_directory": str(PROJECT_DIR)}
        location = {"socket": str(self._socket), "location_name": MODULE, "additional_metadata": shown}
        self._workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": location}]}), encoding="utf-8")
        try:
            self._start_code_server()
            while not interrupted.wait(_LOOK_EVERY_SECONDS):
                ended = [name for name, child in self._running.items() if child.poll() is not None]
                if ended == [_CODE_SERVER] and len(self._running) > 1:  # code of ours took it down: the UI remains
                    self._start_code_server()
                elif ended:
                    return ended[0]
                elif len(self._running) == 1 and self._socket.exists():
                    self._start_webserver(say_ready)
                    self._running["The daemon"] = _start("dagster._daemon", "run", "-w", str(self._workspace))
            return ""
        finally:
            self._end()

    def _start_code_server(self) -> None:
        self._socket.unlink(missing_ok=True)
        with dg.DagsterInstance.get() as instance:  # whose variables, such as those of .env, the code server gets
            instance_ref = dg.serialize_value(instance.get_ref())
        options = ["--socket", str(self._socket), "--location-name", MODULE, "--log-level", "warning"]
        options += ["--inject-env-vars-from-instance", "--instance-ref", instance_ref]
        code = ["-m", MODULE, "-d", str(PROJECT_DIR)]
        self._running[_CODE_SERVER] = _start("dagster", "code-server", "start", *code, *options)

    def _start_webserver(self, say_ready: Callable[[], None]) -> None:
        options = ["-w", str(self._workspace), "-h", _HOST, "-p", str(self._port)]
        options += [*(["-l", self._path] if self._path else []), *(["--read-only"] if self._read_only else [])]
        webserver = _start("pipelines.operations.webserver", *options, password=password_of_environment())
        self._running["The webserver"] = webserver

        def wait_for_it() -> None:
            if answers(f"http://{_HOST}:{self._port}{self._path}", until=lambda: webserver.poll() is not None):
                say_ready()

        threading.Thread(target=wait_for_it, daemon=True).start()

    def _end(self) -> None:
        """End all of them, the code server last, because the others ask it until they end."""
        for child in reversed(self._running.values()):
            child.terminate()
            try:
                child.wait(_ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _start(module: str, *arguments: str, password: str = "") -> subprocess.Popen[bytes]:
    """A process in a group of its own, so that Ctrl-C reaches it once, by way of this one; only the webserver needs
    the password.
    """
    environment = {**os.environ, "DAGSTER_IS_DEV_CLI": "1", PASSWORD_VARIABLE: password}
    command = [sys.executable, "-m", "pipelines.operations.child", str(os.getpid()), module, *arguments]
    return subprocess.Popen(command, cwd=PROJECT_DIR, env=environment, process_group=0)


def _refuse_taken(port: int) -> None:
    try:
        socket.create_server((_HOST, port)).close()
    except OSError as error:
        raise UsageError(f"--port {port}: {error.strerror}. Choose another port: kpi dev --port {port + 100}") from None


def _start_pages(settings: Settings) -> subprocess.Popen[bytes] | None:
    """Serve the pages in a process that ends with this one; None if another machine serves them."""
    place = urlsplit(settings.pages_url)
    if place.hostname not in LOOPBACK:
        return None
    arguments = ["pages", "--port", str(place.port or 80), "--parent", str(os.getpid()), "--quiet"]
    return subprocess.Popen([sys.executable, "-m", "pipelines", *arguments])


def answers(url: str, until: Callable[[], bool], pause: float = 0.2) -> bool:
    """Wait until a web server responds at `url`, or asks for a password; False if `until` becomes true first."""
    while not until():
        try:
            with urllib.request.urlopen(url, timeout=10):
                return True
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.UNAUTHORIZED:
                return True
            time.sleep(pause)
        except (urllib.error.URLError, OSError):
            time.sleep(pause)
    return False


def _write_first_page(site: Path) -> None:
    """Write a first page that stays until a run writes one."""
    index = site / "index.html"
    if not index.exists():
        index.write_text(
            page("Check results", "<h1>Check results</h1><p>There are no check results yet.</p>"), encoding="utf-8"
        )
