"""A queued notice is sent once, or shown as not sent: failures, crashes, several processes, broken stores."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from pipelines.alerts.outbox import Flushed
from pipelines.alerts.reports import Report
from pipelines.alerts.service import report_safely, tick_safely
from pipelines.settings import Settings
from tests.conftest import PROJECT_DIR
from tests.unit.alerts.conftest import ONE_FILE, World, finding

RECORDS_IN_BOTH = True
FILES_ONLY = pytest.mark.parametrize("database", [None], indirect=True)


def break_channel(world: World, name: str = "people") -> Path:
    """Put a folder in the place of the channel's file."""
    path = world.folder / f"{name}.jsonl"
    path.mkdir(parents=True)
    return path


def installed(world: World, **alerts: object) -> Settings:
    """The settings of the world, with its own `alerts.yml`."""
    path = world.folder / "alerts.yml"
    path.write_text(yaml.safe_dump({**world.said, **alerts}), encoding="utf-8")
    return world.settings.model_copy(update={"alerts": path})


@FILES_ONLY
def test_waits_double_and_are_bounded_and_then_it_is_a_dead_letter(world: World) -> None:
    break_channel(world)
    world.fails()  # tries immediately
    tried_at, start = [world.now], world.now
    while world.queued():
        world.later(minutes=1)
        if world.flush().problems:
            tried_at.append(world.now)
    assert [(tried - start).total_seconds() / 60 for tried in tried_at] == [0, 1, 3, 7, 15, 31, 63, 123]
    with world.service.store.transaction() as transaction:
        [letter] = transaction.notices("dead")
    assert letter.attempts == 8
    assert letter.last_error == "people.jsonl cannot be written: Is a directory."
    assert world.flush() == Flushed()


def test_a_dead_letter_is_sent_when_it_is_revived(world: World) -> None:
    world.said = {**ONE_FILE, "delivery": {"attempts": 1}}
    path = break_channel(world)
    world.fails()
    path.rmdir()
    assert world.flush() == Flushed()
    assert world.service.outbox.revive(world.now) == (1, 0)
    assert world.flush().sent == 1
    assert world.heard() == ["new"]


def test_a_dead_letter_about_what_is_over_is_not_revived_but_its_end_is(world: World) -> None:
    world.said = {**ONE_FILE, "delivery": {"attempts": 1}}
    path = break_channel(world)
    world.fails()
    world.passes()
    path.rmdir()
    assert world.service.outbox.revive(world.now) == (1, 1)
    world.flush()
    assert world.heard() == ["resolved"]


def test_a_dead_letter_to_a_channel_that_is_gone_is_withdrawn(world: World) -> None:
    break_channel(world)
    world.fails()
    world.said = {"channels": {"others": {"kind": "file"}}, "routes": [{"channels": ["others"]}]}
    world.later(minutes=1)
    assert world.flush().problems == (("people", "alerts.yml no longer has a channel people."),)
    assert world.service.outbox.revive(world.now) == (0, 1)


def test_an_end_does_not_overtake_its_beginning(world: World) -> None:
    path = break_channel(world)
    world.fails()
    world.later(seconds=30)
    path.rmdir()
    world.passes()
    assert world.heard() == []  # the first is due again after a minute
    world.later(seconds=30)
    world.flush()
    assert world.heard() == ["new", "resolved"]


def test_one_channel_that_fails_does_not_hold_up_another(world: World) -> None:
    world.said = {
        "channels": {name: {"kind": "file", "path": f"{name}.jsonl"} for name in ("people", "service")},
        "routes": [{"channels": ["people", "service"]}],
    }
    break_channel(world)
    world.fails()
    world.fails(check="other")
    assert world.heard("service") == ["new", "new"]
    assert world.queued() == 2


def test_a_variable_that_is_not_set_is_a_dead_letter_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAIL_URL", raising=False)
    world.said = {"channels": {"mail": {"kind": "apprise", "url_env": "MAIL_URL"}}, "routes": [{"channels": ["mail"]}]}
    world.fails()
    with world.service.store.transaction() as transaction:
        [letter] = transaction.notices("dead")
    assert "MAIL_URL is not set" in letter.last_error


CRASH = """
import os, sys
from datetime import datetime
from pathlib import Path
from pipelines.alerts import outbox
from pipelines.alerts.routes import AlertsFile
from pipelines.alerts.store import Store
import json
folder, said, now = Path(sys.argv[1]), json.loads(sys.argv[2]), datetime.fromisoformat(sys.argv[3])
class DiesAfterSending(outbox.Post):
    def send(self, *arguments):
        super().send(*arguments)
        os._exit(9)
outbox.Post = DiesAfterSending
store = Store(folder / "alerts.sqlite", os.environ.get("KPI_DATABASE"))
outbox.Outbox(store, AlertsFile.model_validate(said), folder).flush(now)
"""


def test_a_crash_between_sending_and_marking_is_one_repetition_with_the_same_key(world: World) -> None:
    world.report(finding(), flush=False)
    arguments = [str(world.folder), json.dumps(world.said), world.now.isoformat()]
    crashed = subprocess.run([sys.executable, "-c", CRASH, *arguments], cwd=PROJECT_DIR, check=False)
    assert crashed.returncode == 9
    assert len(world.notices()) == 1
    assert world.flush() == Flushed()  # not before its next attempt is due
    world.later(minutes=1)
    assert world.flush() == Flushed(sent=1)
    world.later(days=1)
    world.flush()
    first, second = world.notices()
    assert first == second
    assert first["key"]


def test_a_crash_at_the_last_attempt_is_a_dead_letter(world: World) -> None:
    world.said = {**ONE_FILE, "delivery": {"attempts": 1}}
    world.report(finding(), flush=False)
    arguments = [str(world.folder), json.dumps(world.said), world.now.isoformat()]
    subprocess.run([sys.executable, "-c", CRASH, *arguments], cwd=PROJECT_DIR, check=False)
    world.later(minutes=1)
    assert world.flush() == Flushed(dead=1)


FLUSH = CRASH[: CRASH.index("class")] + CRASH[CRASH.index("store =") :].replace(
    ".flush(now)", ".flush(now, wait_seconds=60)"
)


def test_two_processes_send_each_notice_once(world: World) -> None:
    for number in range(20):
        world.report(finding(check=f"check_{number}"), flush=False)
    arguments = [str(world.folder), json.dumps(world.said), world.now.isoformat()]
    both = [subprocess.Popen([sys.executable, "-c", FLUSH, *arguments], cwd=PROJECT_DIR) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    keys = [notice["key"] for notice in world.notices()]
    assert len(keys) == len(set(keys)) == 20


@FILES_ONLY
def test_who_finds_another_sending_does_nothing(world: World) -> None:
    from filelock import FileLock

    world.report(finding(), flush=False)
    with FileLock(f"{world.settings.alerts_path}.lock"):
        assert world.flush() == Flushed(busy=True)
    assert world.flush() == Flushed(sent=1)


def test_a_report_and_its_notices_are_taken_together_or_not_at_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    with monkeypatch.context() as broken:
        broken.setattr("pipelines.alerts.store.Transaction.queue", fail)
        with pytest.raises(sqlite3.OperationalError):
            world.service.ingest(Report("run", world.now, (finding(),)), world.now)
    assert world.incidents() == []
    assert world.service.ingest(Report("run", world.now, (finding(),)), world.now).notified == 1


@FILES_ONLY
def test_a_store_that_cannot_be_used_raises_nothing_and_is_logged(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.alerts.store._BUSY_SECONDS", 0.01)
    settings = installed(world)
    report = Report("run", world.now, (finding(),))
    settings.alerts_path.write_text("this is no database, and long enough to be seen as none" * 50)
    assert report_safely(settings, report, world.now) is False
    assert tick_safely(settings, world.now) is None
    settings.alerts_path.unlink()
    assert report_safely(settings, report, world.now) is True
    writer = sqlite3.connect(settings.alerts_path, isolation_level=None)
    writer.execute("begin immediate")
    later = Report("run 2", world.now, (finding(check="other"),))
    assert report_safely(settings, later, world.now) is False
    writer.execute("rollback")
    writer.close()
    assert report_safely(settings, later, world.now) is True
    store = settings.alerts_path
    assert [record.getMessage().split(": ", 2)[2] for record in caplog.records] == [
        f"{store} cannot be read: file is not a database. Repair it: kpi doctor --repair.",
        f"{store} cannot be read: file is not a database. Repair it: kpi doctor --repair.",
        f"{store} is in use by another process: try again when that has finished.",
    ]


@FILES_ONLY
def test_a_folder_that_cannot_be_written_raises_nothing(world: World) -> None:
    settings = installed(world)
    blocked = settings.model_copy(update={"data_dir": world.folder / "alerts.yml" / "below"})
    assert report_safely(blocked, Report("run", world.now, (finding(),)), world.now) is False
    assert tick_safely(blocked, world.now) is None


@FILES_ONLY
def test_settings_that_cannot_be_read_raise_nothing_and_the_report_can_be_passed_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    settings = installed(world, routes=[{"channels": ["nobody"]}])
    report = Report("run", world.now, (finding(),))
    assert report_safely(settings, report, world.now) is False
    assert "route 1 names the channel 'nobody'" in caplog.text
    installed(world)
    assert report_safely(settings, report, world.now) is True
    assert tick_safely(settings, world.now) == Flushed(sent=1)


@FILES_ONLY
def test_tending_says_what_failed(world: World, caplog: pytest.LogCaptureFixture) -> None:
    settings = installed(world)
    break_channel(world)
    report_safely(settings, Report("run", world.now, (finding(),)), world.now)
    assert tick_safely(settings, world.now + timedelta(seconds=1)) is not None
    assert "not delivered over people: people.jsonl cannot be written" in caplog.text


@FILES_ONLY
def test_a_store_of_version_1_keeps_what_people_know(world: World) -> None:
    world.fails()
    renamed = {"notified": "told", "worst_notified": "worst_told"}
    renamed |= {"first_notified_at": "first_told_at", "last_notified_at": "last_told_at"}
    with closing(sqlite3.connect(world.settings.alerts_path, isolation_level=None)) as connection:
        [(body,)] = connection.execute("select body from incidents")
        old = {renamed.get(name, name): value for name, value in json.loads(body).items()}
        connection.execute("update incidents set body = ?", [json.dumps(old)])
        connection.execute("pragma user_version = 1")
    assert len(world.service.notified()) == 1
    with closing(sqlite3.connect(world.settings.alerts_path)) as connection:
        connection.execute("pragma user_version = 1")  # as a process saw it that opened the file at the same time
    [incident] = world.service.notified()
    assert (incident.notified, incident.worst_notified) == (("people",), "critical")
    assert (incident.first_notified_at, incident.last_notified_at) == (world.now, world.now)
    world.later(minutes=1)
    world.fails()
    assert world.heard() == ["new"], "nobody is notified again"
