"""Records in a database that several hosts share: they are what they are in files, and come from them once."""

import logging
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from socket import gethostname

import pytest
import typer

from pipelines import database as databases
from pipelines.alerts.reports import Report
from pipelines.alerts.service import report_safely, tick_safely
from pipelines.alerts.store import Store
from pipelines.checks.history import CheckHistory
from pipelines.cli.common import FAILED, errors_in_words
from pipelines.damage import StoreError
from pipelines.database import HostsLock, state_of
from pipelines.deliveries.store import Acceptance, DeliveryStore, Verdict
from pipelines.quarantine.rows import QuarantinedRow, QuarantinedRows
from tests.integration.postgres import Postgres, free_port
from tests.unit.alerts.conftest import MONDAY, World, finding
from tests.unit.checks.test_history import FAILED as FAILED_CHECK
from tests.unit.checks.test_history import NOON, PASSED
from tests.unit.conftest import DATABASE_ENV

DAY = date(2026, 1, 9)
IN_DATABASE = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
VERDICT = Verdict("shop", "orders", DAY, "raw", "landing", datetime(2026, 1, 9, 5, tzinfo=UTC), {}, "run", NOON)
ACCEPTANCE = Acceptance("shop", "orders", DAY, "bytes", True, "anna", "a holiday", NOON)
ROW = QuarantinedRow("r1", "shop", "orders", str(DAY), "f.csv", 1, "h", "1", "no date", {"id": "\0ż", "x": None}, NOON)


@pytest.fixture
def world(tmp_path: Path, database: str) -> World:
    return World(tmp_path, database_env=DATABASE_ENV)


def fill(folder: Path, database: str | None = None) -> None:
    """Make records of every kind."""
    deliveries = DeliveryStore(folder / "deliveries.sqlite", database)
    deliveries.record([VERDICT, replace(VERDICT, stage="staging", loaded_at=None, failures={"key": "twice"})])
    deliveries.accept(ACCEPTANCE)
    deliveries.accept(replace(ACCEPTANCE, reason="a strike"))
    history = CheckHistory(folder / "check_history.sqlite", database=database)
    history.record("run-1", str(DAY), NOON, [PASSED, replace(PASSED, check="rule", column=None, element_count=None)])
    history.record("run-1", None, NOON, [FAILED_CHECK])
    rows = QuarantinedRows(folder / "rows.sqlite", database)
    rows.update([ROW, replace(ROW, id="r2", row_number=10), replace(ROW, id="r3", table_name="Orders")], NOON)
    rows.dismiss([ROW], "not wanted")


def all_records(folder: Path, database: str | None = None) -> list[object]:
    deliveries = DeliveryStore(folder / "deliveries.sqlite", database)
    history = CheckHistory(folder / "check_history.sqlite", database=database)
    return [
        sorted(deliveries.verdicts(), key=lambda verdict: verdict.stage),
        deliveries.acceptances(),
        history.results("run-1"),
        history.frame().to_dict("records"),
        list(map(str, history.frame().dtypes)),
        QuarantinedRows(folder / "rows.sqlite", database).rows(),
        QuarantinedRows(folder / "rows.sqlite", database).rows("dismissed"),
    ]


@IN_DATABASE
def test_records_are_the_same_in_files_and_in_the_database(tmp_path: Path, database: str) -> None:
    fill(tmp_path / "files")
    fill(tmp_path / "nothing", database)
    assert all_records(tmp_path / "nothing", database) == all_records(tmp_path / "files")
    assert not (tmp_path / "nothing").exists()
    rows, deliveries = QuarantinedRows(tmp_path, database), DeliveryStore(tmp_path, database)
    rows.purge([ROW])
    assert [row.id for row in rows.rows()] == ["r3", "r2"]  # capitals first, as in SQLite
    deliveries.forget("shop", "orders", [DAY], "raw")
    assert [verdict.stage for verdict in deliveries.verdicts()] == ["staging"]


@IN_DATABASE
def test_what_files_contain_is_copied_once_when_a_database_is_first_used(tmp_path: Path, database: str) -> None:
    fill(tmp_path)
    before = all_records(tmp_path)
    assert all_records(tmp_path, database) == before
    DeliveryStore(tmp_path / "deliveries.sqlite", database).accept(replace(ACCEPTANCE, reason="a flood"))
    databases._created.clear()  # as another process
    [acceptance] = DeliveryStore(tmp_path / "deliveries.sqlite", database).acceptances().values()
    assert acceptance.reason == "a flood", "the newest one, though its id was given by another database"
    assert all_records(tmp_path) == before, "the files stay as they were"
    origin = state_of(database).origins["kpi_deliveries"]
    assert (origin.copied_from, origin.host) == (str(tmp_path / "deliveries.sqlite"), gethostname())


@IN_DATABASE
def test_incidents_and_unsent_notices_are_copied_with_files_of_earlier_versions(world: World, database: str) -> None:
    of_file = World(world.folder)
    of_file.fails()
    of_file.report(finding(check="other"), flush=False)
    before = of_file.incidents()
    with closing(sqlite3.connect(world.settings.alerts_path, isolation_level=None)) as connection:
        connection.execute("update incidents set body = replace(body, '\"notified\":', '\"told\":')")
        connection.execute("pragma user_version = 1")
    assert world.incidents() == before
    world.reports = of_file.reports
    world.later(minutes=1)
    world.fails()
    world.fails(check="third")
    assert world.heard() == ["new", "new", "new"], "what was queued is sent, and nobody is notified again"


@IN_DATABASE
def test_a_file_that_cannot_be_read_stops_the_copy_and_begins_nothing(tmp_path: Path, database: str) -> None:
    path = tmp_path / "deliveries.sqlite"
    path.write_text("this is no database, and long enough to be seen as none" * 50)
    with pytest.raises(StoreError, match=r"deliveries\.sqlite cannot be read: .* Repair it: kpi doctor --repair\."):
        DeliveryStore(path, database).verdicts()
    assert state_of(database).origins == {}
    path.unlink()
    assert DeliveryStore(path, database).verdicts() == []


BEGIN = """
import os, sys
from pathlib import Path
from pipelines.deliveries.store import DeliveryStore
sys.stdin.readline()
print(len(DeliveryStore(Path(sys.argv[1]), os.environ["KPI_DATABASE"]).verdicts()))
"""


@IN_DATABASE
def test_hosts_that_begin_at_once_copy_once(tmp_path: Path, database: str) -> None:
    fill(tmp_path)
    command = [sys.executable, "-c", BEGIN, str(tmp_path / "deliveries.sqlite")]
    both = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.communicate()[0].strip() for process in both] == ["2", "2"]
    assert [process.returncode for process in both] == [0, 0]


@IN_DATABASE
def test_who_finds_another_host_sending_does_nothing(world: World, database: str) -> None:
    world.report(finding(), flush=False)
    other = HostsLock(database, "outbox")
    assert other.acquire()
    assert world.flush().busy
    assert world.service.outbox.flush(world.now, wait_seconds=0.01).busy
    other.release()
    assert world.flush().sent == 1


@IN_DATABASE
def test_who_waits_too_long_for_another_transaction_says_so(
    world: World, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.fails()
    monkeypatch.setattr("pipelines.alerts.store._BUSY_SECONDS", 0.01)
    store = Store(world.settings.alerts_path, database)
    with store.transaction(), store.reading() as reader:
        assert len(reader.incidents()) == 1, "readers do not wait"
        with pytest.raises(StoreError, match="are in use by another process"), store.transaction():
            pass


def test_a_database_that_is_gone_stops_a_command_in_a_sentence_and_no_alerts(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = free_port()
    monkeypatch.setenv(DATABASE_ENV, f"postgresql://kpi:secret@127.0.0.1:{port}/kpi")
    settings = World(tmp_path, database_env=DATABASE_ENV).settings
    with pytest.raises(typer.Exit) as ended, errors_in_words():
        DeliveryStore(settings.deliveries_path, settings.database_url).verdicts()
    assert ended.value.exit_code == FAILED
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"The database kpi at 127.0.0.1:{port} cannot be reached: Connection refused. Check that it")
    assert "setting database_env names" in line
    with caplog.at_level(logging.ERROR):
        assert report_safely(settings, Report("run", MONDAY, (finding(),)), MONDAY) is False
        assert tick_safely(settings, MONDAY) is None
    assert f"127.0.0.1:{port} cannot be reached" in caplog.text
    assert "secret" not in line + caplog.text + repr(Store(tmp_path, settings.database_url))


@IN_DATABASE
def test_a_database_that_refuses_says_what(tmp_path: Path, database: str, postgres: Postgres) -> None:
    postgres.execute("postgres", "drop role if exists reader; create role reader login")
    url = database.replace("tester@", "reader@")
    with pytest.raises(StoreError, match=r"refused: permission denied for database postgres\. Correct what it says"):
        DeliveryStore(tmp_path / "d.sqlite", url).verdicts()
    with pytest.raises(StoreError, match=r'cannot be reached: .*"nowhere" does not exist'):
        DeliveryStore(tmp_path / "d.sqlite", database.replace("/postgres", "/nowhere")).verdicts()


@IN_DATABASE
def test_a_schema_that_somebody_else_has_created_is_used(tmp_path: Path, database: str, postgres: Postgres) -> None:
    postgres.execute("postgres", "drop role if exists writer; create role writer login")
    postgres.execute("postgres", "create schema kpi_deliveries authorization writer")
    store = DeliveryStore(tmp_path / "d.sqlite", database.replace("tester@", "writer@"))
    store.record([VERDICT])
    assert store.verdicts() == [VERDICT]
    postgres.execute("postgres", "drop owned by writer cascade; drop role writer")


@IN_DATABASE
def test_a_session_that_has_a_lock_ends_with_its_host(database: str) -> None:
    """The server asks a silent host after 20 seconds and gives it up after 50; no setting of a role cuts it short."""
    with databases.connected(database) as connection:
        for name, value in {
            "tcp_keepalives_idle": "20",
            "tcp_keepalives_interval": "10",
            "tcp_keepalives_count": "3",
            "tcp_user_timeout": "50000",
            "idle_session_timeout": "0",
            "statement_timeout": "0",
        }.items():
            assert connection.execute(f"show {name}".encode()).fetchone() == (value,)


def test_texts_sort_and_ids_count_in_postgresql_as_in_sqlite() -> None:
    assert databases.in_postgresql("create table t (id integer primary key, name text not null, n integer)") == (
        "create table t (id bigint generated by default as identity primary key, "
        'name text collate "C" not null, n bigint)'
    )
