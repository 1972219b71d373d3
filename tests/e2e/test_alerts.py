"""A real daemon, mail server and webhook: one alert for each thing that goes wrong, and one when it ends.

This is one test, because each notice depends on what was sent before: the daemon runs through days of an installation.
"""

import email
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.conftest import PROJECT_DIR

pytestmark = pytest.mark.nightly
DAEMON = Path(sys.executable).with_name("dagster-daemon")
PATIENCE_SECONDS = 240  # only a failing test waits this long
YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).date()

KPI_YML = """
environment: production
sources: [shop]
first_delivery: 2025-01-01
time_zone: UTC
reporting_currency: EUR
"""
ALERTS_YML = """
channels:
  mail: {kind: apprise, url_env: MAIL_URL}
  hook: {kind: webhook, url_env: HOOK_URL, secret_env: HOOK_SECRET}
routes:
  - channels: [mail, hook]
watch: {run_due: "00:00"}
"""


@dataclass
class Receivers:
    """What a mail server and a webhook received."""

    mails: list[Message] = field(default_factory=list)
    posts: list[dict[str, Any]] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        self.mails.append(email.message_from_bytes(envelope.content))
        return "250 OK"

    def told(self) -> list[tuple[str, list[str]]]:
        """What was posted: the kind of each notice, and its checks."""
        return [(post["kind"], [incident["check"] for incident in post["incidents"]]) for post in self.posts]


@dataclass
class Site:
    """An installation of `location.py` with its own daemon."""

    folder: Path
    receivers: Receivers
    log: Path
    runs: int = 0

    def run(self, **do: Any) -> None:
        """Request a run of yesterday's delivery day."""
        (self.folder / "do.json").write_text(json.dumps(do))
        self.runs += 1
        aside = self.folder / "requests" / ".aside"
        aside.write_text(str(YESTERDAY))
        aside.rename(self.folder / "requests" / f"{self.runs:02}")

    def publish(self, days_ago: int) -> None:
        """Let analysts read numbers from this many days before yesterday."""
        folder = self.folder / "publications" / "one"
        folder.mkdir(parents=True, exist_ok=True)
        as_of = YESTERDAY - timedelta(days=days_ago)
        manifest = {"publication_id": "one", "published_at": f"{as_of} 10:00", "as_of_date": str(as_of), "run_id": "r"}
        (folder / ".aside").write_text(json.dumps(manifest))
        (folder / ".aside").rename(folder / "manifest.json")
        if not (self.folder / "published").exists():
            (self.folder / "published").symlink_to(folder)

    def wait(self, what: str, happened: Callable[[], bool]) -> None:
        """Wait until something has happened."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not happened():
            said = f"{what} did not happen. Told: {self.receivers.told()}\n{self.log.read_text()[-5000:]}"
            assert time.monotonic() < deadline, said
            time.sleep(0.05)

    def expect(self, kind: str, *checks: str) -> dict[str, Any]:
        """The next notice, which must be the only one on both channels, and must be about exactly these checks."""
        number = len(self.expected) + 1
        self.expected.append((kind, sorted(checks)))
        self.wait(f"{kind} {checks}", lambda: min(len(self.receivers.posts), len(self.receivers.mails)) >= number)
        assert [(kind, sorted(names)) for kind, names in self.receivers.told()] == self.expected
        return self.receivers.posts[-1]

    def finished(self) -> int:
        """How many runs have been reported."""
        with sqlite3.connect(self.folder / "alerts.sqlite") as store:
            [(count,)] = store.execute("select count(*) from reports where report_id not like 'watch%'").fetchall()
        return int(count)

    expected: list[tuple[str, list[str]]] = field(default_factory=list)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    receivers = Receivers()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receivers.posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    hook = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=hook.serve_forever, args=(0.01,), daemon=True).start()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        smtp_port = free.getsockname()[1]
    smtp = Controller(receivers, hostname="127.0.0.1", port=smtp_port)
    smtp.start()
    (tmp_path / "requests").mkdir()
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").write_text((PROJECT_DIR / "tests" / "e2e" / "dagster.yaml").read_text())
    (tmp_path / "kpi.yml").write_text(KPI_YML)
    (tmp_path / "alerts.yml").write_text(ALERTS_YML)
    log = tmp_path / "daemon.log"
    site = Site(tmp_path, receivers, log)
    site.publish(days_ago=0)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("KPI_", "DAGSTER_"))},
        "DATA_DIR": str(tmp_path),
        "KPI_CONFIG": str(tmp_path / "kpi.yml"),
        "DAGSTER_HOME": str(tmp_path / "dagster"),
        "MAIL_URL": f"mailto://127.0.0.1:{smtp_port}/?from=kpi@example.org&to=data@example.org&mode=insecure",
        "HOOK_URL": f"http://127.0.0.1:{hook.server_port}/",
        "HOOK_SECRET": "a secret",
    }
    with log.open("w") as output:
        daemon = subprocess.Popen(
            [
                str(Path(sys.executable).with_name("dagster-daemon")),
                "run",
                "-m",
                "tests.e2e.location",
                "-d",
                str(PROJECT_DIR),
            ],
            cwd=PROJECT_DIR,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield site
    finally:
        os.killpg(daemon.pid, signal.SIGTERM)
        try:
            daemon.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(daemon.pid, signal.SIGKILL)
        smtp.stop()
        hook.shutdown()
        hook.server_close()


def test_each_thing_that_goes_wrong_is_told_once_and_so_is_its_end(site: Site) -> None:
    missed = site.expect("problem", "missed_schedule")
    assert missed["incidents"][0]["message"] == f"delivery day {YESTERDAY} has no run"

    site.run()
    site.expect("resolved", "missed_schedule")  # sent as soon as there is a run
    site.wait("the first run", lambda: site.finished() == 1)

    site.run(second_id=1)
    blocked = site.expect("problem", "order_id_unique")
    assert blocked["impact"]["assets"] == ["marts/kpi_revenue__daily"]
    assert blocked["published_as_of"] == str(YESTERDAY)
    assert "2 of 2 rows are duplicates" in str(site.receivers.mails[-1])

    site.run(second_id=1)  # again: nobody is told again, as what comes next shows
    site.wait("the second failing run", lambda: site.finished() == 3)

    site.run(channel=None)  # successful, with a warning
    site.wait("two notices of one run", lambda: len(site.receivers.posts) >= 5)
    site.expected.append(("problem", ["channel_not_null"]))
    site.expect("resolved", "order_id_unique")

    site.run(**{"break": "orders.csv: row 1 (header): column 'order_id' is missing"})
    broken = site.expect("problem", "step_failed")
    assert broken["incidents"][0]["message"] == "orders.csv: row 1 (header): column 'order_id' is missing"

    site.run(hang=True)
    site.wait("the run that hangs", (site.folder / "pid").exists)
    os.kill(int((site.folder / "pid").read_text()), signal.SIGKILL)
    site.expect("problem", "run_crashed")

    site.publish(days_ago=3)
    site.expect("problem", "stale")
    site.publish(days_ago=0)
    site.expect("resolved", "stale")

    site.run()
    site.expect("resolved", "channel_not_null", "run_crashed", "step_failed")
    assert len(site.receivers.mails) == len(site.receivers.posts)
