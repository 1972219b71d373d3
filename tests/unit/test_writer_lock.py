"""Only one process writes the warehouse at a time. The others say which process they wait for."""

import signal
import subprocess
import sys
from pathlib import Path
from socket import gethostname

import pytest

from pipelines.damage import StoreError
from pipelines.warehouse import ensure_writer, hold_writer_lock, release_writer_lock, try_to_hold_writer_lock
from pipelines.writer_lock import writer_of
from tests.integration.postgres import Postgres

RECORDS_IN_BOTH = True

HOLD = """
import os, sys
from pathlib import Path
from pipelines.warehouse import hold_writer_lock, release_writer_lock
path, database = Path(sys.argv[1]), os.environ.get("KPI_DATABASE")
hold_writer_lock(path, sys.argv[2], lambda message: print(message, flush=True), database)
hold_writer_lock(path, "again", print, database)
print("mine", flush=True)
sys.stdin.readline()
if len(sys.argv) > 3:
    release_writer_lock(path)
    print("released", flush=True)
    sys.stdin.readline()
"""


def start(warehouse: Path, who: str, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(warehouse), who, *more]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a shell may have it ignored
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_second_writer_waits_and_says_for_whom(tmp_path: Path, database: str | None) -> None:
    warehouse = tmp_path / "data" / "warehouse.duckdb"
    first = start(warehouse, "run 1234", "release")
    assert said(first) == "mine"
    second = start(warehouse, "run 5678")
    message = said(second)
    host = f" on {gethostname()}" if database else ""
    assert message.startswith(
        f"Another process is writing warehouse.duckdb (run 1234, process {first.pid}{host}, since "
    )
    assert message.endswith("). Waiting until it has finished.")
    assert f"({writer_of(warehouse, database)})" in message
    assert not try_to_hold_writer_lock(warehouse, "a third", database)
    go_on(first)
    assert said(first) == "released"
    assert said(second) == "mine"
    for process in (first, second):
        process.kill()
        process.wait()


def test_a_writer_that_was_killed_holds_nothing(tmp_path: Path, database: str | None) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    first = start(warehouse, "run 1234")
    assert said(first) == "mine"
    waiting = start(warehouse, "run 5678")
    assert "run 1234" in said(waiting)
    first.kill()
    first.wait()
    assert said(waiting) == "mine"
    writer = writer_of(warehouse, database)
    assert writer
    assert writer.startswith(f"run 5678, process {waiting.pid}")
    waiting.kill()
    waiting.wait()
    hold_writer_lock(warehouse, "run 9", print, database)
    release_writer_lock(warehouse)
    assert writer_of(warehouse, database) is None


def test_who_waits_can_be_interrupted(tmp_path: Path, database: str | None) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    hold_writer_lock(warehouse, "run 1234", print, database)
    waiting = start(warehouse, "run 5678")
    assert "run 1234" in said(waiting)
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait() == -signal.SIGINT
    release_writer_lock(warehouse)
    assert writer_of(warehouse, database) is None


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_data_folder_of_another_installation_is_not_written(tmp_path: Path, database: str) -> None:
    """As on a host on which the network drive is not mounted, or with a database of another installation."""
    ours, unmounted, theirs = (tmp_path / name / "warehouse.duckdb" for name in ("ours", "unmounted", "theirs"))
    assert try_to_hold_writer_lock(ours, "run 1", database)
    release_writer_lock(ours)
    theirs.parent.mkdir()
    theirs.with_name(".installation").write_text("another")
    for warehouse, why in ((unmounted, "missing"), (theirs, "of another one")):
        with pytest.raises(StoreError, match=rf"is not the data folder .* \.installation in it is {why}\. Check that"):
            hold_writer_lock(warehouse, "run 2", print, database)
    moved = tmp_path / "mounted elsewhere"
    ours.parent.rename(moved)
    hold_writer_lock(moved / ours.name, "run 3", print, database)
    release_writer_lock(moved / ours.name)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_writer_whose_connection_is_lost_goes_no_further(tmp_path: Path, database: str, postgres: Postgres) -> None:
    """As after a restart of the server, or when its host was cut off for a minute."""
    warehouse = tmp_path / "warehouse.duckdb"
    hold_writer_lock(warehouse, "run 1234", print, database)
    ensure_writer(warehouse)
    postgres.execute("postgres", "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'")
    with pytest.raises(StoreError, match=r"was lost, and with it the lock of warehouse\.duckdb: another host may"):
        ensure_writer(warehouse)
    with pytest.raises(StoreError, match="Nothing was published"):
        hold_writer_lock(warehouse, "the next step", print, database)
    other = start(warehouse, "run 5678")
    assert said(other) == "mine"
    other.kill()
    other.wait()
    release_writer_lock(warehouse)
    hold_writer_lock(warehouse, "the next run", print, database)
    ensure_writer(warehouse)
    release_writer_lock(warehouse)
