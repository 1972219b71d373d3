"""Landing a day, and deciding about what was refused, with a fault at each step."""

from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.ingest.gate import DeliveryError
from pipelines.ingest.landing import land, stamp_again
from pipelines.quarantine.files import QuarantinedFiles
from pipelines.sources import Table
from pipelines.tables import raw_file
from pipelines.warehouse import sandboxed
from tests.faults.injection import BY_SIZE, OF_ONE, OF_TWO, Fault
from tests.faults.trials import Operation, State, Trial

DAY = date(2025, 1, 31)
TABLE = Table.model_validate(
    {
        "description": "Orders.",
        "path": "orders_{delivered_on}*.csv",
        "format": "csv",
        "columns": ["id", "amount"],
        "key": ["id"],
    }
)
ROWS = "".join(f"{number},{number}.50\n" for number in range(12))  # enough to be remembered as a file
GOOD, CORRECTED, BROKEN = f"id,amount\n{ROWS}", f"id,amount\n{ROWS}13,1\n", "<html>Not found</html>\n"


def deliver(folder: Path, content: str, name: str = "") -> None:
    (folder / "landing").mkdir(exist_ok=True)
    (folder / "landing" / f"orders_{DAY}{name}.csv").write_text(content)


def quarantine_of(folder: Path) -> QuarantinedFiles:
    return QuarantinedFiles(folder / "quarantine", folder / "landing")


def land_day(folder: Path) -> None:
    """Land the day as a run does. A refused file is no error of the operation."""
    landing, raw = folder / "landing", folder / "raw"
    with sandboxed(landing, raw) as database, suppress(DeliveryError):
        land("shop", "orders", TABLE, DAY, landing, raw, database, quarantine_of(folder))


def look(folder: Path) -> State:
    """The rows in raw, and every delivered file with its content, wherever it is."""
    raw = raw_file(folder / "raw", "shop", "orders", DAY)
    rows: Any = None
    if raw.exists():
        rows = duckdb.sql(f"select id, amount, _source_file from read_parquet('{raw}') order by all").fetchall()
    quarantine = quarantine_of(folder)
    places = {path.name: ["landing", path.read_text()] for path in (folder / "landing").glob("*.csv")}
    for file in quarantine.all():
        kept = folder / "quarantine" / "shop" / "orders" / str(DAY) / file.id / "file"
        places[file.path] = [file.state, file.reason[:40], kept.read_text()]
    broken = places.pop(f"orders_{DAY}_b.csv", "nowhere")
    return {"rows": [list(row) for row in rows] if rows else rows, "good": places, "broken": broken}


def a_new_day(folder: Path) -> None:
    deliver(folder, GOOD)


def a_corrected_day(folder: Path) -> None:
    deliver(folder, GOOD)
    land_day(folder)
    deliver(folder, CORRECTED)


def a_broken_file(folder: Path) -> None:
    deliver(folder, BROKEN, "_b")


def a_broken_file_among_others(folder: Path) -> None:
    deliver(folder, GOOD, "_a")
    deliver(folder, BROKEN, "_b")


def a_replaced_file(folder: Path) -> None:
    a_broken_file(folder)
    land_day(folder)
    deliver(folder, GOOD, "_b")


def a_refused_file(folder: Path) -> None:
    a_broken_file_among_others(folder)
    land_day(folder)


def put_back(folder: Path) -> None:
    quarantine = quarantine_of(folder)
    for file in quarantine.all():
        quarantine.put_back(file)


def run_after_replay(folder: Path) -> None:
    """What a run does first; then the file is put back, if it has not been."""
    quarantine_of(folder).recover("shop", "orders", TABLE.path)
    put_back(folder)


def dismiss(folder: Path) -> None:
    quarantine = quarantine_of(folder)
    for file in quarantine.all():
        quarantine.dismiss(file, "not wanted")


def stamp(folder: Path) -> None:
    with sandboxed(folder / "landing", folder / "raw") as database:
        stamp_again(database, raw_file(folder / "raw", "shop", "orders", DAY))


LANDINGS = [
    Operation("landing a new day", a_new_day, land_day, look),
    Operation("landing a corrected day", a_corrected_day, land_day, look),
    Operation("landing a refused file", a_broken_file, land_day, look),
    Operation("landing a refused file among others", a_broken_file_among_others, land_day, look),
    Operation("landing what replaces a refused file", a_replaced_file, land_day, look),
    Operation("kpi quarantine replay: the file", a_refused_file, put_back, look, run_after_replay),
    Operation("kpi quarantine replay: the rows", a_refused_file, stamp, look),
    Operation("kpi quarantine dismiss", a_refused_file, dismiss, look),
]


@pytest.mark.nightly
@pytest.mark.parametrize("fault", OF_ONE)
@pytest.mark.parametrize("operation", LANDINGS, ids=lambda operation: operation.name)
def test_any_fault(operation: Operation, fault: Fault, survives: Callable[..., list[Trial]]) -> None:
    if fault in BY_SIZE and operation.act is put_back:
        pytest.skip("it writes no file")
    survives(operation, fault)


@pytest.mark.nightly
@pytest.mark.parametrize("fault", OF_TWO)
@pytest.mark.parametrize("operation", LANDINGS[:5], ids=lambda operation: operation.name)
def test_two_processes_land_the_day(operation: Operation, fault: Fault, survives: Callable[..., list[Trial]]) -> None:
    survives(operation, fault)


@pytest.mark.parametrize("fault", OF_TWO)
def test_two_processes_land_the_same_file(fault: Fault, survives: Callable[..., list[Trial]]) -> None:
    survives(LANDINGS[3], fault, every=8)


def test_a_refused_file_never_vanishes(survives: Callable[..., list[Trial]]) -> None:
    survives(LANDINGS[2], Fault.KILLED, every=4)


@pytest.mark.parametrize("fault", [Fault.FULL, Fault.IO_ERROR])
def test_a_disk_that_fails_refuses_no_file(fault: Fault, survives: Callable[..., list[Trial]]) -> None:
    assert all(trial.said for trial in survives(LANDINGS[0], fault, every=4))


def test_a_write_that_is_cut_short(survives: Callable[..., list[Trial]]) -> None:
    survives(LANDINGS[1], Fault.SHORT)
