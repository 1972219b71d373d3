"""Dagster's event log over connections that stay open, compared with Dagster's own class on the same files."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from dagster import DagsterEvent, DagsterEventType, DagsterInstance, EventLogEntry, job, op
from dagster._core.storage.event_log import SqliteEventLogStorage
from sqlalchemy.pool import Pool

from pipelines.event_log import EventLog


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    storage = EventLog(str(tmp_path))
    yield storage
    storage.dispose()


@pytest.fixture
def connections() -> Iterator[list[str]]:
    """A line for each connection that is opened to a file in the meantime."""
    opened: list[str] = []

    def note(connection: object, record: object) -> None:
        opened.append("one more")

    sa.event.listen(Pool, "connect", note)
    yield opened
    sa.event.remove(Pool, "connect", note)


def event(run_id: str, message: str) -> EventLogEntry:
    return EventLogEntry(
        error_info=None, level="info", user_message=message, run_id=run_id, timestamp=1.0, dagster_event=None
    )


def started(run_id: str) -> EventLogEntry:
    """An event that is written to the run's file and to the file of all runs."""
    start = DagsterEvent(DagsterEventType.RUN_START.value, "nightly")
    return event(run_id, "started")._replace(dagster_event=start)


def messages(log: SqliteEventLogStorage, run_id: str) -> list[str]:
    return [entry.user_message for entry in log.get_logs_for_run(run_id)]


def test_dagsters_own_class_reads_what_is_still_open_and_the_other_way_round(tmp_path: Path, log: EventLog) -> None:
    log.store_event(event("a", "1"))
    dagsters = SqliteEventLogStorage(str(tmp_path))
    assert messages(dagsters, "a") == ["1"]
    dagsters.store_event(event("a", "2"))
    log.store_event(event("a", "3"))
    assert messages(dagsters, "a") == messages(log, "a") == ["1", "2", "3"]


def test_an_event_opens_no_connection(log: EventLog, connections: list[str]) -> None:
    log.store_event(started("a"))
    connections.clear()
    for _ in range(20):
        log.store_event(started("a"))
    assert connections == []


def test_many_runs_are_not_all_open_at_once(log: EventLog) -> None:
    for number in range(30):
        log.store_event(event(f"run-{number}", "1"))
    assert len(log._engines) == 8
    assert all(messages(log, f"run-{number}") == ["1"] for number in range(30))


def test_a_statement_that_fails_leaves_nothing_and_the_log_goes_on(log: EventLog) -> None:
    log.store_event(event("a", "1"))

    def half_done() -> None:
        with log.run_connection("a") as connection:
            connection.execute(sa.text("delete from event_logs"))
            connection.execute(sa.text("select no_such_column from event_logs"))

    with pytest.raises(sa.exc.OperationalError):
        half_done()
    log.store_event(event("a", "2"))
    assert messages(log, "a") == ["1", "2"]


def test_threads_take_turns(log: EventLog) -> None:
    writers = [
        threading.Thread(target=lambda name=name: [log.store_event(event("a", f"{name}{n}")) for n in range(25)])
        for name in "xyz"
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(messages(log, "a")) == sorted(f"{name}{n}" for name in "xyz" for n in range(25))


def test_who_watches_a_run_sees_events_as_another_log_stores_them(tmp_path: Path, log: EventLog) -> None:
    log.store_event(event("a", "1"))
    ui = EventLog(str(tmp_path))
    seen: list[str] = []
    both = threading.Event()

    def show(entry: EventLogEntry, cursor: str) -> None:
        seen.append(entry.user_message)
        if len(seen) == 2:
            both.set()

    ui.watch("a", None, show)
    try:
        log.store_event(event("a", "2"))
        assert both.wait(timeout=60)
    finally:
        ui.dispose()
    assert seen == ["1", "2"]


def test_wiping_deletes_the_events_of_open_files(log: EventLog) -> None:
    log.store_event(started("a"))
    log.wipe()
    assert messages(log, "a") == []
    log.store_event(event("a", "2"))
    assert messages(log, "a") == ["2"]


def test_an_instance_of_the_projects_dagster_yaml_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dagster.yaml").write_text(
        (Path(__file__).parents[2] / "pipelines" / "runs" / "dagster.yaml").read_text()
    )
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))

    @op
    def nothing() -> None: ...

    @job
    def nightly() -> None:
        nothing()

    with DagsterInstance.from_config(str(tmp_path)) as instance:
        assert isinstance(instance.event_log_storage, EventLog)
        ran = nightly.execute_in_process(instance=instance)
    stock = SqliteEventLogStorage(str(tmp_path / "history" / "runs"))
    assert DagsterEventType.RUN_SUCCESS in {entry.dagster_event_type for entry in stock.get_logs_for_run(ran.run_id)}
