"""Publishing with a fault at each step: readers find the old publication or the new one, whole."""

import json
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from pipelines.publish.publication import Publication, publish
from pipelines.publish.versions import roll_back, versions
from pipelines.sql import quote_text
from pipelines.transform.descriptions import Description
from pipelines.warehouse import hold_writer_lock, published, release_writer_lock
from tests.faults.injection import BY_SIZE, OF_ONE, OF_TWO, Fault
from tests.faults.trials import Operation, State, Trial
from tests.forked import PROCESSES

OLD, NEW = [1, 2, 3], [1, 4]
KEPT = 1  # so that each publication deletes one
BLOCKS_PER_TRY = 48  # of 512 bytes, where a whole publication has some thousands


def build(folder: Path, numbers: list[int]) -> None:
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        for schema in ("marts", "staging", "intermediate"):
            connection.execute(f"create schema if not exists {schema}")
        connection.execute(f"create or replace table marts.numbers as select unnest({numbers}) as n")
        connection.execute("create or replace table marts.unchanged as select 'text' as text")
        for table in ("delivered_files", "delivered_row_counts", "quarantined_rows"):
            connection.execute(f"create or replace table staging.{table} as select 1 as n")
        for table in ("left_out_rows", "left_out_days"):
            connection.execute(f"create or replace table intermediate.int_{table} as select 1 as n")


def publish_as(folder: Path, name: str, keep: int = KEPT) -> None:
    publication = Publication(
        name, "run", datetime(2025, 1, 1), date(2025, 1, 1), {"shop": date(2025, 1, 1)}, "1", "EUR"
    )
    hold_writer_lock(folder / "warehouse.duckdb", "a trial", print, None)
    publish(
        publication,
        ["numbers", "unchanged"],
        pd.DataFrame({"run_id": ["r"], "passed": [True]}),
        folder / "warehouse.duckdb",
        folder / "published",
        keep,
        {"numbers": Description("Numbers.", {"n": "A number."})},
    )
    release_writer_lock(folder / "warehouse.duckdb")


def nothing_published(folder: Path) -> None:
    build(folder, NEW)


def published_before(folder: Path) -> None:
    build(folder, OLD)
    publish_as(folder, "p1")
    build(folder, NEW)


def publish_new(folder: Path) -> None:
    publish_as(folder, "p2")


def publish_again(folder: Path) -> None:
    """Publish at the next start. Nothing else is left: neither an earlier publication nor one that nobody ever read."""
    publish_as(folder, "p4" if (folder / "publications" / "p3").exists() else "p3")
    assert len(list((folder / "publications").iterdir())) == KEPT


def look(folder: Path) -> State:
    """The published numbers, and whether file, Parquet copies and manifest are of one publication and complete."""
    place = folder / "published"
    if not place.exists():
        return {"numbers": None, "is whole": True}
    numbers = numbers_of(folder)
    manifest = json.loads((place / "manifest.json").read_text())
    copies = [place / table["parquet"] for table in manifest["tables"].values()]
    rows = duckdb.sql(f"select n from {quote_text(str(copies[0]))}").fetchall()
    current = [version.publication_id for version in versions(place) if version.is_current]
    is_whole = rows == [(n,) for n in numbers] and current == [manifest["publication_id"]] and copies[1].exists()
    return {"numbers": numbers, "is whole": is_whole}


def numbers_of(folder: Path) -> list[int]:
    with published(folder / "published") as connection:
        found = [n for (n,) in connection.execute("select n from marts.numbers").fetchall()]
        assert connection.execute("select count(*) from marts.unchanged, meta.publication").fetchall() == [(1,)]
    return found


def read(folder: Path) -> None:
    assert numbers_of(folder) in (OLD, NEW)


def two_publications(folder: Path) -> None:
    """The state after a publication whose predecessor could not be deleted."""
    published_before(folder)
    (folder / "publications" / "p1").rename(folder / "aside")
    (folder / "published").unlink()
    publish_as(folder, "p2")
    (folder / "aside").rename(folder / "publications" / "p1")


def roll_back_once(folder: Path) -> None:
    roll_back(folder / "published")


def roll_back_to_one(folder: Path) -> None:
    roll_back(folder / "published", "p1")


NAMES = r"publications/\.?p\d"
PUBLISHINGS = [
    Operation("publishing", published_before, publish_new, look, publish_again, read, NAMES),
    Operation("publishing for the first time", nothing_published, publish_new, look, publish_again, names=NAMES),
    Operation("kpi rollback", two_publications, roll_back_once, look, roll_back_to_one, read, NAMES),
]


def test_killed_at_any_step(survives: Callable[..., list[Trial]]) -> None:
    outcomes = [trial.outcome for trial in survives(PUBLISHINGS[0], Fault.KILLED, every=8)]
    assert outcomes == sorted(outcomes, reverse=True)  # the old until one step, and the new from then on
    assert len(set(outcomes)) == 2


def test_a_full_disk_is_named(survives: Callable[..., list[Trial]]) -> None:
    trials = survives(PUBLISHINGS[0], Fault.FULL, every=12)
    assert {"is full" in trial.said for trial in trials if trial.said} == {True}


@pytest.mark.nightly
def test_a_second_writer_goes_on_where_the_first_was_killed(survives: Callable[..., list[Trial]]) -> None:
    survives(PUBLISHINGS[0], Fault.AWAITED, every=12)


@pytest.mark.nightly
@pytest.mark.parametrize("fault", OF_TWO)
@pytest.mark.parametrize("operation", PUBLISHINGS[:2], ids=lambda operation: operation.name)
def test_two_writers(operation: Operation, fault: Fault, survives: Callable[..., list[Trial]]) -> None:
    survives(operation, fault)


@pytest.mark.nightly
@pytest.mark.parametrize("fault", [*OF_ONE, Fault.READER])
@pytest.mark.parametrize("operation", PUBLISHINGS, ids=lambda operation: operation.name)
def test_any_fault(operation: Operation, fault: Fault, survives: Callable[..., list[Trial]]) -> None:
    if fault is Fault.READER and operation is PUBLISHINGS[1]:
        pytest.skip("there is nothing to read before the first publication")
    if fault in BY_SIZE and operation is PUBLISHINGS[2]:
        pytest.skip("a rollback writes nothing but a link")
    survives(operation, fault, BLOCKS_PER_TRY if fault in BY_SIZE else 1)


@pytest.mark.nightly
def test_a_process_that_always_reads_sees_only_whole_publications(tmp_path: Path) -> None:
    """A second process opens the file again and again while 15 publications replace it."""
    published_here(tmp_path)
    reader = PROCESSES.Process(target=_read_until_told, args=(tmp_path,))
    reader.start()
    for number in range(15):
        process = PROCESSES.Process(target=_publish_next, args=(tmp_path, number))
        process.start()
        process.join()
        assert process.exitcode == 0
    (tmp_path / "enough").touch()
    reader.join()
    assert reader.exitcode == 0
    assert int((tmp_path / "opens").read_text()) > 15


def published_here(folder: Path) -> None:
    process = PROCESSES.Process(target=published_before, args=(folder,))
    process.start()
    process.join()
    assert process.exitcode == 0


def _publish_next(folder: Path, number: int) -> None:
    build(folder, NEW if number % 2 else OLD)
    publish_as(folder, f"p{number + 10}", keep=5)  # as in a run: none is deleted while somebody opens it


def _read_until_told(folder: Path) -> None:
    opens = 0
    while not (folder / "enough").exists():
        read(folder)
        opens += 1
    (folder / "opens").write_text(str(opens))
