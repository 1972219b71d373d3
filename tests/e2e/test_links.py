"""Every link in a notice opens, whatever ports the UI and its pages use."""

import html
import json
import os
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urljoin

import dagster as dg
import pytest

from pipelines.alerts.run_report import report_of_run
from pipelines.alerts.service import AlertService
from pipelines.checks.assets import build_docs_of_run
from pipelines.checks.data_docs import server as docs_server
from pipelines.operations.dev import answers
from pipelines.settings import Settings, at_ports, load_settings, remember_addresses

ALERTS = "channels: {people: {kind: file, path: people.jsonl}}\nroutes: [{channels: [people]}]\n"
KPI = "sources: [shop]\nfirst_delivery: 2026-01-01\ntime_zone: UTC\nreporting_currency: EUR\ndata_dir: .\n"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.fixture(params=["first ports", "second ports"])
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """An installation whose UI and pages are served on its own ports."""
    (tmp_path / "kpi.yml").write_text(KPI)
    (tmp_path / "alerts.yml").write_text(ALERTS)
    monkeypatch.delenv("DATA_DIR", raising=False)
    monkeypatch.setenv("KPI_CONFIG", str(tmp_path / "kpi.yml"))
    ui_port, docs_port = free_port(), free_port()
    remember_addresses(at_ports(load_settings(), ui_port, docs_port))
    settings = load_settings()
    docs = docs_server.start(settings.data_docs_dir / "site", settings.data_docs_url)
    assert docs
    webserver = [sys.executable, "-m", "pipelines.operations.webserver", "--empty-workspace"]
    ui = subprocess.Popen(
        [*webserver, "-h", "127.0.0.1", "-p", str(ui_port)],
        env={**os.environ, "DAGSTER_HOME": str(settings.dagster_home), "DO_NOT_TRACK": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert answers(settings.ui_url, until=lambda: ui.poll() is not None)
        yield settings
    finally:
        for server in (ui, docs):
            server.kill()  # the tests are over, so the server need not end cleanly
            server.wait()


def test_every_link_of_a_notice_about_a_failed_run_opens(settings: Settings) -> None:
    @dg.asset(key=["raw", "shop", "orders"])
    def orders() -> None:
        raise dg.Failure("orders.csv: row 1 (header): column 'order_id' is missing", allow_retries=False)

    with dg.DagsterInstance.local_temp(str(settings.dagster_home)) as instance:
        killed = instance.create_run_for_job(dg.job(name="daily")(lambda: None))
        instance.report_run_failed(killed)
        for run_id in (killed.run_id, dg.materialize([orders], instance=instance, raise_on_error=False).run_id):
            report = report_of_run(instance, run_id, {}, settings)
            run = instance.get_run_by_id(run_id)
            assert run
            build_docs_of_run(settings, run, report.blocked_by)
            service = AlertService.of(settings)
            service.ingest(report, datetime.now(UTC))
            service.outbox.flush(datetime.now(UTC))
    sent = [json.loads(line) for line in (settings.data_dir / "people.jsonl").read_text().splitlines()]
    notices = [notice for notice in sent if notice["kind"] == "problem"]
    assert [set(notice["links"]) for notice in notices] == [
        {"run", "checks", "incident", "runbook"},
        {"run", "checks", "incident"},
    ]
    for url in {url for notice in notices for url in notice["links"].values()}:
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert answer.status == 200
    for notice in notices:
        url, _, anchor = notice["links"]["incident"].partition("#")
        with urllib.request.urlopen(url, timeout=30) as answer:
            page = answer.read().decode()
        assert f'<section id="{anchor}">' in page
    for link in set(re.findall(r'href="([^"]+)"', page)):
        with urllib.request.urlopen(urljoin(url, html.unescape(link)), timeout=30) as answer:
            assert answer.status == 200
    with urllib.request.urlopen(notices[0]["links"]["checks"], timeout=30) as answer:
        assert re.search("Failed</span>.*column .*order_id", answer.read().decode(), re.DOTALL)
