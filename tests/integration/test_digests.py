"""Digests of the demo company's publication: who receives what moved, in which words, and only once."""

import json
import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.alerts.digests import queue_digests
from pipelines.alerts.service import tick_safely
from pipelines.publish.versions import point_to
from tests.conftest import Installation
from tests.integration.endpoints import Answer, http, smtp
from tests.unit.alerts.conftest import MONDAY, World, finding

PAGE = "http://127.0.0.1:3003"
FILE = {"kind": "file", "path": "people.jsonl"}
MUCH = 30  # times as much: in a small company, less can be noise
MOVED = ("month", "2025-12-01"), ("week", "2025-12-29")  # the periods that are the last complete ones


@pytest.fixture
def publish(untouched_demo: Installation, tmp_path: Path) -> Callable[..., None]:
    """Publishes the demo company's numbers in the folder of a test, with the changes that the test makes."""

    def made(publication_id: str = "p1", times: int = 1, *changes: str) -> None:
        folder = tmp_path / "publications" / publication_id
        folder.mkdir(parents=True)
        shutil.copy(untouched_demo.data_dir / "published" / "kpi.duckdb", folder)
        with duckdb.connect(str(folder / "kpi.duckdb")) as connection:
            for change in (*multiplied_revenue(connection, times), *changes):
                connection.execute(change)
        manifest = {
            "publication_id": publication_id,
            "published_at": str((MONDAY - timedelta(hours=1)).replace(tzinfo=None)),
            "as_of_date": "2026-01-09",
            "run_id": "run",
        }
        (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        point_to(folder, tmp_path / "published")

    return made


def multiplied_revenue(connection: duckdb.DuckDBPyConnection, times: int) -> list[str]:
    """Statements that multiply the revenue of one channel, and with it the company's, in the newest complete periods.

    In all other cuts the parts no longer add up to the company, so that none of them can be blamed.
    """
    changes = []
    for grain, start in MOVED if times != 1 else ():
        of = f"kpi_id = 'revenue' and variant = 'net' and grain = '{grain}' and period_start = '{start}'"
        of_web = f"{of} and entity_type = 'channel' and entity_id = 'web'"
        [[more, cases]] = connection.execute(
            f"select {times - 1} * value, {times - 1} * sample_size from marts.kpi_scorecard where {of_web}"
        ).fetchall()
        changes += [
            f"update marts.kpi_scorecard set value = value + {more}, numerator = numerator + {more}, "
            f"delta = delta + {more}, sample_size = sample_size + {cases} where {rows}"
            for rows in (of_web, f"{of} and entity_type = 'company'")
        ]
    return changes


def world(folder: Path, **channels: dict[str, Any]) -> World:
    return World(folder, {"channels": channels, "routes": [{"channels": list(channels)}]})


def tick(world: World) -> None:
    queue_digests(world.service.store, world.service.alerts, world.settings, world.now)
    world.flush()


def test_a_mail_says_in_the_channels_language_what_moved_and_why(
    publish: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("p1", MUCH)
    with duckdb.connect(str(tmp_path / "published" / "kpi.duckdb"), read_only=True) as connection:
        [[value, delta]] = connection.execute(
            "select value, delta from marts.kpi_scorecard where kpi_id = 'revenue' and variant = 'net' "
            "and grain = 'week' and period_start = '2025-12-29' and entity_type = 'company'"
        ).fetchall()
    with smtp() as server:
        monkeypatch.setenv("MAIL_URL", f"mailto://127.0.0.1:{server.port}?from=kpi@example.org&to=boss@example.org")
        mail = {"kind": "apprise", "url_env": "MAIL_URL", "digest": "weekly", "language": "pl"}
        at = world(tmp_path, mail=mail)
        tick(at)
        at.later(days=1)
        tick(at)
    [(receivers, message)] = server.mails
    assert receivers == ["boss@example.org"]
    assert "2026" in message["Subject"]
    assert message.get_content_type() == "text/plain"
    subject, blank, *lines, link = message.get_content().strip().splitlines()
    assert (subject, blank) == (message["Subject"], "")
    assert 1 <= len(lines) <= 5
    [revenue] = [line for line in lines if line.startswith("Przychód netto")]
    digits = f"{round(value):,}".replace(",", " ")
    share = f"{100 * delta / (value - delta):,.1f}".replace(",", " ").replace(".", ",")
    assert f"{digits} €, +{share} %" in revenue
    assert re.search(r"kanał web: \+[\d ]+ €\.$", revenue)
    assert link == f"page: {PAGE}/pl/leaders?grain=week&period=2026-W01"


def test_nothing_is_sent_when_nothing_moved(publish: Callable[..., None], tmp_path: Path) -> None:
    publish("p1", 1, "update marts.kpi_scorecard set is_delta_significant = false, delta = 0")
    at = world(tmp_path, people={**FILE, "digest": "on_change"})
    tick(at)
    assert at.notices() == []


@pytest.mark.parametrize("asked", [{}, {"digest": "off"}, {"digest": False}])
def test_a_channel_that_asks_for_no_digest_receives_none(
    publish: Callable[..., None], tmp_path: Path, asked: dict[str, Any]
) -> None:
    publish("p1", MUCH)
    at = world(tmp_path, people={**FILE, **asked})
    tick(at)
    assert at.notices() == []


def test_the_same_week_is_told_once_however_often_it_is_published(publish: Callable[..., None], tmp_path: Path) -> None:
    at = world(tmp_path, people={**FILE, "digest": "weekly"})
    for number in range(3):
        publish(f"p{number}", MUCH + number)
        tick(at)
        tick(at)
        at.later(days=1)
    [notice] = at.notices()
    assert notice["links"]["page"].endswith("grain=week&period=2026-W01")


def test_a_change_is_told_once_and_another_change_anew(publish: Callable[..., None], tmp_path: Path) -> None:
    at = world(tmp_path, people={**FILE, "digest": "on_change"})
    other = (
        "update marts.kpi_scorecard set is_delta_significant = true, delta = 0.1, prior_value = value - 0.1, "
        "status = 'ok' where kpi_id = 'win_rate' and variant = 'closed_count' and period_start = '2025-12-01' "
        "and entity_type = 'company'"
    )
    for number, changes in enumerate([(), (), (other,), ()]):
        publish(f"p{number}", MUCH, *changes)
        tick(at)
    first, second = at.notices()
    assert first["key"] != second["key"]
    assert len(second["lines"]) == len(first["lines"]) + 1
    assert any("+10.0 pp" in line for line in second["lines"])


def test_a_rollback_and_a_restart_repeat_nothing(publish: Callable[..., None], tmp_path: Path) -> None:
    at = world(tmp_path, people={**FILE, "digest": "on_change"})
    publish("p1", MUCH)
    tick(at)
    publish("p2", MUCH + 2)
    tick(at)
    point_to(tmp_path / "publications" / "p1", tmp_path / "published")
    at.said = {**at.said, "routes": [{"channels": ["people"], "severities": ["critical"]}]}
    tick(at)
    assert len(at.notices()) == 1


def test_each_channel_receives_its_own(publish: Callable[..., None], tmp_path: Path) -> None:
    publish("p1", MUCH)
    at = world(
        tmp_path,
        people={**FILE, "digest": "weekly"},
        polish={"kind": "file", "path": "polish.jsonl", "digest": "on_change", "language": "pl"},
    )
    tick(at)
    [weekly], [on_change] = at.notices(), at.notices("polish")
    assert weekly["links"] == {"page": f"{PAGE}/en/leaders?grain=week&period=2026-W01"}
    assert on_change["links"] == {"page": f"{PAGE}/pl/leaders?period=2025-12"}
    assert (weekly["kind"], weekly["severity"], weekly["published_as_of"]) == ("digest", "info", "2026-01-09")


def test_five_lines_at_most(publish: Callable[..., None], tmp_path: Path) -> None:
    publish(
        "p1",
        1,
        "update marts.kpi_scorecard set is_delta_significant = true, delta = 0.01, prior_value = value - 0.01, "
        "status = 'ok' where entity_type = 'company' and period_start = '2025-12-01' and value is not null",
    )
    at = world(tmp_path, people={**FILE, "digest": "on_change"})
    tick(at)
    [notice] = at.notices()
    moved = int(re.findall(r": (\d+) key figures moved", notice["subject"])[0])
    assert moved > 5
    assert len(notice["lines"]) == 5
    assert notice["lines"][-1] == f"{moved - 4} more, see the page."


@pytest.mark.parametrize(("status", "is_told"), [("immature", True), ("no_data", False)])
def test_what_is_known_later_is_told_later_and_what_ended_is_not_told_again(
    publish: Callable[..., None], tmp_path: Path, status: str, is_told: bool
) -> None:
    of = "kpi_id = 'nps' and variant = 'trailing_90d' and entity_type = 'company' and grain = 'month'"
    publish(
        "p1",
        1,
        "update marts.kpi_scorecard set delta = 0, is_delta_significant = false",
        "update marts.kpi_scorecard set delta = 5, prior_value = value - 5, is_delta_significant = true, status = 'ok' "
        f"where {of} and period_start = '2025-11-01'",
        f"update marts.kpi_scorecard set value = null, delta = null, is_delta_significant = null, status = '{status}' "
        f"where {of} and period_start = '2025-12-01'",
    )
    at = world(tmp_path, people={**FILE, "digest": "on_change"})
    tick(at)
    lines = [line for notice in at.notices() for line in notice["lines"]]
    assert len(lines) == is_told
    assert all("NPS" in line and ", Nov 25: " in line and ", +5.0 vs Oct 25" in line for line in lines)


def test_a_digest_of_long_ago_is_no_news(publish: Callable[..., None], tmp_path: Path) -> None:
    publish("p1", MUCH)
    at = world(tmp_path, people={**FILE, "digest": "weekly"})
    at.later(days=8)
    tick(at)
    assert at.notices() == []


def test_a_hostile_name_is_text_in_a_chat_and_in_a_mail(
    publish: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = "<at>all</at> @channel `x` [x](http://127.0.0.1/) \N{RIGHT-TO-LEFT OVERRIDE}**b**\r\nBcc: a@example.org"
    publish(
        "p1",
        MUCH,
        f"update marts.kpi_scorecard set entity_name = '{hostile}' where entity_type = 'channel' and entity_id = 'web'",
    )
    with http(Answer(200, b"ok")) as endpoint, smtp() as server:
        from apprise.plugins.slack import NotifySlack

        monkeypatch.setattr(NotifySlack, "webhook_url", f"{endpoint.url}/services")
        monkeypatch.setenv("CHAT_URL", "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ")
        monkeypatch.setenv("MAIL_URL", f"mailto://127.0.0.1:{server.port}?from=kpi@example.org&to=boss@example.org")
        at = world(
            tmp_path,
            chat={"kind": "apprise", "url_env": "CHAT_URL", "digest": "weekly"},
            mail={"kind": "apprise", "url_env": "MAIL_URL", "digest": "weekly"},
        )
        tick(at)
    [attachment] = json.loads(endpoint.received[0].body)["attachments"]
    lines = [line for line in attachment["text"].splitlines() if "mainly channel" in line]
    assert len(lines) == 1
    assert lines[0].startswith("`")
    assert lines[0].count("`") == 2
    assert "@channel" not in lines[0]
    assert "://" not in lines[0]
    [(_, message)] = server.mails
    assert message["Bcc"] is None
    assert "<at>all</at>" in message.get_content()
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in message.get_content()


def test_a_digest_that_cannot_be_made_stops_no_notification(
    publish: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    publish("p1", MUCH, "drop table marts.dim_period")
    at = world(tmp_path, people={**FILE, "digest": "weekly"})
    alerts = tmp_path / "alerts.yml"
    alerts.write_text(json.dumps(at.said), encoding="utf-8")
    settings = at.settings.model_copy(update={"alerts": alerts})
    at.report(finding(), flush=False)
    assert tick_safely(settings, at.now).sent == 1  # type: ignore[union-attr]
    assert "The digest of the current publication could not be made: CatalogException" in caplog.text
    caplog.clear()
    tick_safely(settings, at.now)
    assert "digest" not in caplog.text


def test_a_dead_digest_can_be_sent_again(
    publish: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("p1", MUCH)
    monkeypatch.delenv("MAIL_URL", raising=False)
    at = world(tmp_path, mail={"kind": "apprise", "url_env": "MAIL_URL", "digest": "weekly"})
    tick(at)
    with smtp() as server:
        monkeypatch.setenv("MAIL_URL", f"mailto://127.0.0.1:{server.port}?from=kpi@example.org&to=boss@example.org")
        assert at.service.outbox.revive(at.now) == (1, 0)
        assert at.flush().sent == 1
    assert server.receivers() == ["boss@example.org"]


def test_the_value_of_a_digest_is_exact(publish: Callable[..., None], tmp_path: Path) -> None:
    """The multiplied channel contributes what was added to it, and what it changed by anyhow."""
    publish("p1", MUCH)
    with duckdb.connect(str(tmp_path / "published" / "kpi.duckdb"), read_only=True) as connection:
        [[before], [after]] = connection.execute(
            "select value from marts.kpi_scorecard where kpi_id = 'revenue' and variant = 'net' and grain = 'month' "
            "and entity_type = 'channel' and entity_id = 'web' and period_start in ('2025-11-01', '2025-12-01') "
            "order by period_start"
        ).fetchall()
    at = world(tmp_path, people={**FILE, "digest": "on_change"})
    tick(at)
    [notice] = at.notices()
    [line] = [one for one in notice["lines"] if one.startswith("Net revenue")]
    assert line.endswith(f"mainly channel web: +€{round(Decimal(after - before)):,}.")


def test_the_command_shows_each_channels_digest_and_sends_nothing(publish: Callable[..., None], tmp_path: Path) -> None:
    publish("p1", MUCH)
    alerts = tmp_path / "alerts.yml"
    asking = world(tmp_path, people={**FILE, "digest": "weekly"}, other={**FILE, "digest": "on_change"}, quiet=FILE)
    alerts.write_text(json.dumps(asking.said), encoding="utf-8")
    said = Installation(tmp_path, environment={"KPI_ALERTS": str(alerts)}).kpi("alerts", "digest").stdout
    assert re.search(
        r"^people \(weekly, en\):\n    Week 1 of 2026: \d+ key figures? moved by more than noise$", said, re.M
    )
    assert "other (on_change, en):\n    December 2025: " in said
    assert "quiet" not in said
    assert asking.notices() == []
