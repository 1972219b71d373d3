"""`kpi alerts`, as people type it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from pipelines.alerts.reports import Report
from tests.conftest import Installation
from tests.unit.alerts.conftest import World, finding

CHANNELS = {"file": {"kind": "file"}, "mail": {"kind": "apprise", "url_env": "ALERTS_TEST_MAIL_URL"}}
ALERTS = {"channels": CHANNELS, "routes": [{"channels": list(CHANNELS)}]}


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """An installation with two incidents that were sent to a file, and by mail without success: its URL is not set."""
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump(ALERTS), encoding="utf-8")
    world = World(tmp_path, ALERTS)
    now = datetime.now(UTC) - timedelta(minutes=5)
    findings = finding(), finding(asset="raw/orders", check="not_empty", severity="warning", owner="team:shop")
    world.service.ingest(Report("run 1", now, findings), now)
    return Installation(tmp_path, environment={"KPI_ALERTS": str(tmp_path / "alerts.yml")})


def test_an_incident_is_seen_acknowledged_muted_loud_again_and_resolved(installation: Installation) -> None:
    world = World(installation.data_dir)
    first, second = sorted(world.incidents(), key=lambda incident: incident.asset, reverse=True)
    listed = installation.kpi("alerts", "list").stdout
    assert f"{first.id[:8]}  notified  critical  staging/orders order_id_unique\n" in listed
    assert "1x, owner team:shop" in listed
    acknowledged = installation.kpi("alerts", "ack", first.id[:5], "--by", "kim", "--reason", "supplier called")
    assert acknowledged.stdout == f"Acknowledged: {first.id[:8]}  staging/orders order_id_unique\n"
    muted = installation.kpi("alerts", "mute", second.id, "--for", "2d", "--by", "kim", "--reason", "stocktaking")
    assert muted.stdout.startswith("Muted until 20")
    shown = installation.kpi("alerts", "show", first.id[:5]).stdout
    assert "what        3 of 100 rows are duplicates" in shown
    assert "acknowledged by kim: supplier called" in shown
    listed = installation.kpi("alerts", "list").stdout
    assert "acknowledged by kim  critical" in listed
    assert "muted until 20" in listed
    assert installation.kpi("alerts", "unmute", first.id, check=False).returncode == 2
    installation.kpi("alerts", "unmute", second.id)
    assert [incident.state for incident in (world.incidents()) if incident.id == second.id] == ["notified"]
    resolved = installation.kpi("alerts", "resolve", second.id, "--by", "kim", "--reason", "the shop was closed")
    assert resolved.stdout == f"Resolved: {second.id[:8]}  raw/orders not_empty\n"
    assert "resolved by kim: the shop was closed" in installation.kpi("alerts", "show", second.id).stdout


def test_what_is_sent_and_what_is_dead(installation: Installation) -> None:
    flushed = installation.kpi("alerts", "flush", check=False)
    assert flushed.returncode == 1
    assert "mail: failed: the environment variable ALERTS_TEST_MAIL_URL is not set" in flushed.stdout
    assert flushed.stdout.endswith("Sent: 1. Waiting: 0. Dead letters: 1.\n")
    listed = installation.kpi("alerts", "list").stdout
    assert "dead letter  mail  [critical] staging/orders order_id_unique" in listed
    tested = installation.kpi("alerts", "test", check=False)
    assert tested.returncode == 1
    assert tested.stdout.startswith("file: sent\nmail: failed: the environment variable ALERTS_TEST_MAIL_URL")
    assert installation.kpi("alerts", "test", "--channel", "file").stdout == "file: sent\n"
    again = installation.kpi("alerts", "flush", "--dead", check=False)
    assert (again.returncode, again.stdout.splitlines()[0]) == (
        1,
        "Dead letters: 1 to be retried, 0 withdrawn as no longer needed.",
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "zzz"), "No incident has an id that begins with 'zzz'"),
        (("mute", "ID", "--reason", "x"), "Specify how long: --until 2026-01-31, or --for 4h"),
        (("mute", "ID", "--reason", "x", "--for", "soon"), "--for soon: expected a number and m, h, d or w"),
        (("mute", "ID", "--reason", "x", "--until", "2020-01-01"), "--until 2020-01-01 00:00 is in the past"),
        (("test", "--channel", "fax"), "alerts.yml has no channel 'fax'. Its channels: file, mail."),
    ],
)
def test_wrong_arguments_are_told(installation: Installation, arguments: tuple[str, ...], said: str) -> None:
    incident = World(installation.data_dir).incident()
    finished = installation.kpi("alerts", *(incident.id if word == "ID" else word for word in arguments), check=False)
    assert (finished.returncode, said in finished.stderr) == (2, True), finished.stderr


def test_a_store_that_is_none_is_told(installation: Installation) -> None:
    for path in installation.data_dir.glob("alerts.sqlite*"):
        path.unlink()
    (installation.data_dir / "alerts.sqlite").write_text("no database" * 1000)
    finished = installation.kpi("alerts", "list", check=False)
    assert finished.returncode == 1
    assert "alerts.sqlite cannot be read: file is not a database. Repair it: kpi doctor --repair." in finished.stderr


def test_looking_at_incidents_imports_nothing_slow(installation: Installation) -> None:
    code = """
import sys
from pipelines.cli import app
app(["alerts", "list"], standalone_mode=False)
slow = {"dagster", "dbt", "great_expectations", "pandas", "apprise", "requests"}
print("imported:", sorted(slow & set(sys.modules)))
"""
    assert installation.python("-c", code).stdout.endswith("imported: []\n")
