"""Implements `kpi dev`: the Dagster UI and the pages that it links to, on this machine.

Belongs here: the addresses of both, starting them, saying when they respond, ending them.
Does not belong here: what the UI shows (`definitions.py`), and the pages (`checks/data_docs/`,
`alerts/page.py`).
"""

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console

from pipelines.alerts.service import AlertService
from pipelines.checks.data_docs import server
from pipelines.checks.data_docs.pages import page, write_pages
from pipelines.runs.job import prepare_instance
from pipelines.settings import PROJECT_DIR, Settings, at_ports, remember_addresses

_SUPERSEDED = "ignore:Function `dev_command` is superseded"  # by `dg dev`, which requires its own project layout


def serve(settings: Settings, port: int, docs_port: int, pages_port: int | None, console: Console) -> int:
    """Run the UI on `port`, Data Docs on `docs_port` and the pages on `pages_port` of 127.0.0.1 until they end; return
    the UI's exit code.
    """
    settings = at_ports(settings, port, docs_port, pages_port)
    prepare_instance(settings)
    remember_addresses(settings)
    site = settings.data_docs_dir / "site"
    write_pages(site)
    AlertService.of(settings).write_page(datetime.now(UTC))  # its links to runs follow the ports
    _write_first_page(site)
    docs = server.start(site, settings.data_docs_url)
    pages = _start_pages(settings)
    # A shell that starts this in the background makes it ignore interrupts; Dagster would then not end, either.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    dagster_dev = [sys.executable, "-W", _SUPERSEDED, "-m", "dagster", "dev"]
    ui = subprocess.Popen([*dagster_dev, "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)], cwd=PROJECT_DIR)
    signal.signal(signal.SIGTERM, lambda *_: ui.terminate())

    def say_ready() -> None:
        if answers(f"http://127.0.0.1:{port}", until=lambda: ui.poll() is not None):
            console.print(f"Ready: {settings.ui_url}", markup=False)
            if docs and docs.poll() is None:
                console.print(f"Check results and documentation: {settings.data_docs_url}", markup=False)
            if pages and pages.poll() is None:
                console.print(f"Pages for people who read KPIs: {settings.pages_url}", markup=False)

    threading.Thread(target=say_ready, daemon=True).start()
    while True:
        try:
            return ui.wait()
        except KeyboardInterrupt:  # the UI received it, too, and takes a moment to end its processes
            continue


def _start_pages(settings: Settings) -> subprocess.Popen[bytes] | None:
    """Serve the pages in a process that ends with this one; None if another machine serves them."""
    place = urlsplit(settings.pages_url)
    if place.hostname not in ("127.0.0.1", "localhost"):
        return None
    arguments = ["pages", "--port", str(place.port or 80), "--parent", str(os.getpid()), "--quiet"]
    return subprocess.Popen([sys.executable, "-m", "pipelines", *arguments])


def answers(url: str, until: Callable[[], bool], pause: float = 0.2) -> bool:
    """Wait until a web server responds at `url`; False if `until` becomes true first."""
    while not until():
        try:
            with urllib.request.urlopen(url, timeout=10):
                return True
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
