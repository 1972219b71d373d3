"""Fetching a day from a database and from an object store with a fault at each step: the file is whole or not there."""

import gzip
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from pipelines.ingest.connectors import Retries, fetch, sweep_fetches
from pipelines.settings import Settings
from pipelines.sources import Source
from tests.faults.injection import OF_ONE, OF_TWO, Fault
from tests.faults.trials import Operation, State, Trial

DAY = date(2025, 1, 31)
AT_ONCE = Retries(attempts=2, first_wait_seconds=0, longest_wait_seconds=0)


def rows_in_database(folder: Path, rows: int) -> None:
    (folder / "landing" / "box").mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(folder.with_name("box.sqlite"))) as connection:
        connection.executescript("drop table if exists orders; create table orders (id)")
        connection.executemany("insert into orders values (?)", [[number] for number in range(rows)])
        connection.commit()


def fetch_from(folder: Path, source: dict[str, object], table: dict[str, object]) -> None:
    """Fetch the day as a run does. The landing folder has another file, of which nothing becomes known."""
    settings = Settings(sources=["box"], first_delivery=DAY, time_zone="UTC", reporting_currency="EUR", data_dir=folder)
    common = {"name": "box", "description": "Box.", "owner": "team:x", "sla": "06:00", "entities": ["orders"]}
    orders = {"description": "Orders.", "key": ["id"], "columns": ["id"], **table}
    asked = Source.model_validate({**common, **source, "tables": {"orders": orders}})
    sweep_fetches(asked, asked.tables["orders"], settings.landing_dir)
    fetch(asked, "orders", asked.tables["orders"], DAY, settings, AT_ONCE)


def from_database(folder: Path) -> None:
    os.environ["BOX_URL"] = f"sqlite:///{folder.with_name('box.sqlite')}"
    fetch_from(folder, {"connector": "sql", "connection_env": "BOX_URL"}, {"fetch": {"table": "orders"}})


def from_store(folder: Path) -> None:
    path = "box/orders_{delivered_on}*.jsonl.gz"
    store = {"connector": "files", "store": f"file://{folder.with_name('store')}"}
    fetch_from(folder, store, {"path": path, "format": "jsonl"})


def nothing_fetched(folder: Path) -> None:
    rows_in_database(folder, 9)


def fetched_before(folder: Path) -> None:
    rows_in_database(folder, 3)
    from_database(folder)
    rows_in_database(folder, 9)


def stored(folder: Path) -> None:
    (folder / "landing" / "box").mkdir(parents=True)
    (folder.with_name("store") / "box").mkdir(parents=True, exist_ok=True)
    for part in ("a", "b"):
        with gzip.open(folder.with_name("store") / "box" / f"orders_{DAY}_{part}.jsonl.gz", "wt") as file:
            file.write("".join(f'{{"id": {number}}}\n' for number in range(9)))


def look(folder: Path) -> State:
    files = sorted((folder / "landing").rglob("*.gz"))
    found = {file.name: len(gzip.decompress(file.read_bytes()).splitlines()) for file in files}
    return {part: found.get(f"orders_{DAY}{part}.jsonl.gz") for part in ("", "_a", "_b")}


FETCHES = [
    Operation("fetching from a database", nothing_fetched, from_database, look),
    Operation("fetching again from a database", fetched_before, from_database, look),
    Operation("copying from an object store", stored, from_store, look),
]


def test_a_killed_fetch_leaves_nothing_after_the_next_start(survives: Callable[..., list[Trial]]) -> None:
    outcomes = [trial.outcome for trial in survives(FETCHES[1], Fault.KILLED, every=3)]
    assert outcomes[0] == "all-old"
    assert set(outcomes) <= {"all-old", "all-new"}


def test_a_full_disk_is_not_taken_for_a_store_that_cannot_be_read(survives: Callable[..., list[Trial]]) -> None:
    assert {"is full" in trial.said for trial in survives(FETCHES[2], Fault.FULL, every=4)} == {True}


@pytest.mark.nightly
@pytest.mark.parametrize("fault", OF_ONE)
@pytest.mark.parametrize("operation", FETCHES, ids=lambda operation: operation.name)
def test_any_fault(operation: Operation, fault: Fault, survives: Callable[..., list[Trial]]) -> None:
    survives(operation, fault)


@pytest.mark.parametrize("fault", OF_TWO)
def test_a_second_process_fetches_the_same(fault: Fault, survives: Callable[..., list[Trial]]) -> None:
    """It deletes nothing that the first one is still writing."""
    survives(FETCHES[0], fault, every=3)
