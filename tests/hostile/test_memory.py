"""Files of kilobytes that take gigabytes: each is refused, or lands, in the memory that the settings allow."""

import gzip
import json
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pytest

from pipelines.ingest.gate import DeliveryError
from pipelines.ingest.landing import land
from pipelines.quarantine.files import QuarantinedFiles
from pipelines.settings import PROJECT_DIR, SettingsFile
from pipelines.sources import Table
from pipelines.warehouse import sandboxed
from tests.hostile.test_deliveries import FORMATS
from tests.hostile.workbooks import number, text, workbook

DAY = date(2025, 1, 31)
NEEDS_MORE = "reading it takes more than `max_reading_memory` in kpi.yml allows"
IMPORTED = 200_000_000  # what a process takes that has only imported what it needs

SMALLEST = 500_000_000  # that the setting accepts
DEFAULT = 1_000_000_000
MAX_BYTES = 400_000_000  # that a file may have unpacked, for monsters in their smallest harmful form


@dataclass(frozen=True)
class Monster:
    """A file that a naive reader would need far more memory for than the file has bytes.

    `write` writes it; the number says how many times larger than its smallest harmful form it is.
    """

    name: str
    format: str
    write: Callable[[Path, int], None]
    outcome: str


def _packed(pieces: Iterator[bytes]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with gzip.open(path, "wb", compresslevel=1) as file:
            for piece in pieces:
                file.write(piece)

    return write


def _gzip(head: bytes, piece: bytes, pieces: int) -> Callable[[Path, int], None]:
    return lambda path, times: _packed(iter([head, *[piece] * (pieces * times)]))(path)


def _text(head: str, piece: str, pieces: int, tail: str = "") -> Callable[[Path, int], None]:
    return lambda path, times: (path.write_text(head + piece * (pieces * times) + tail), None)[1]


def _excel(make: Callable[[int], bytes]) -> Callable[[Path, int], None]:
    return lambda path, times: (path.write_bytes(make(times)), None)[1]


def _parquet(query: str) -> Callable[[Path, int], None]:
    def write(path: Path, times: int) -> None:
        options = "format parquet, compression zstd, row_group_size 2048"
        duckdb.sql(f"copy ({query.format(times=times)}) to '{path}' ({options})")

    return write


MONSTERS = [
    Monster("a row far below", "excel", _excel(lambda _: workbook(number("1", row=2_000_000_000))), "has a row 2,000,"),
    Monster("one row of cells without end", "excel",
            _excel(lambda times: workbook(f'<row r="2">{"<c/>" * (1_000_000 * times)}</row>')), NEEDS_MORE),
    Monster("one cell of a text without end", "excel",
            _excel(lambda times: workbook(text("x" * (150_000_000 * times)))), NEEDS_MORE),
    Monster("a table of texts without end", "excel",
            _excel(lambda times: workbook(number("1"), strings=f"<si><t>{30_000 * 'x'}</t></si>" * (10_000 * times))),
            NEEDS_MORE),
    Monster("entities within the limit of XML's", "excel",
            _excel(lambda times: workbook(text("&a;" * (1_400_000 * times)),
                                          before=f'<!DOCTYPE x [<!ENTITY a "{"a" * 200}">]>')), NEEDS_MORE),
    Monster("20 times as much as its source allows", "parquet",
            _parquet("select range % 3 || repeat('x', 1000000) as id, 1 as amount from range(1000 * {times})"),
            "the unpacked file has more than {max_bytes:,} bytes"),
    Monster("one cell of a page without end", "parquet",
            _parquet("select repeat('x', 200000000 * {times}) as id, 1 as amount"), NEEDS_MORE),
    Monster("cells of 10 MB", "parquet",
            _parquet("select range || repeat('x', 10000000) as id, 1 as amount from range(20 * {times})"), NEEDS_MORE),
    Monster("a line without end", "gz", _gzip(b"id,amount\n", b"x" * 1_000_000, 40), "row 2: has more than 16,"),
    Monster("a row of lines without end", "gz", _gzip(b"id,amount\n", b'"a\n",' * 1_000_000, 1),
            "a row has more than 16,000,000 characters or 100,000 lines"),
    Monster("a million columns", "csv", _text("id,amount", ",x", 1_000_000, "\n"), "but at most 1,000 are read"),
    Monster("rows of a hundred thousand cells", "csv", _text("id,amount\n", "1," * 100_000 + "\n", 5), "0 good rows"),
    Monster("an element without end", "json", _text('[{"id": "', "xxxxxxxxx]", 2_000_000, '"}]'), "row 1: has more"),
    Monster("rows of objects within objects", "jsonl",
            _text('{"id": 1, "amount": 2}\n', '{"id": [' + "{}," * 4_000_000 + "{}]}\n", 3), "1 good rows"),
    Monster("rows as large as they may be", "jsonl",
            _text("", '{"id": [' + "{}," * 600_000 + '{}], "amount": 2}\n', 3), "{rows} good rows"),
    Monster("a million small rows", "json", _text("[", '{"id": 1, "amount": []},', 30_000, '{"id": 1, "amount": 2}]'),
            "good rows"),
]  # fmt: skip


def measure(folder: Path, memory: int, times: int) -> None:
    """Land the files in `folder`, one after another, and print what became of them, and the peak of memory so far."""
    for place, monster in enumerate(MONSTERS):
        data = folder / str(place)
        landing = data / "landing"
        table = Table.model_validate(
            {
                "description": "x",
                "columns": ["id", "amount"],
                "key": ["id"],
                "max_bytes": MAX_BYTES * times,
                "last_line_end": "optional",
                **FORMATS[monster.format],
            }
        )
        quarantine = QuarantinedFiles(data / "quarantine", landing)
        try:
            with sandboxed(landing, data / "raw", memory=memory) as database:
                places = DAY, landing, data / "raw", database, quarantine
                landed = land("box", "orders", table, *places, memory=memory)
            outcome = f"{landed.rows - landed.unreadable_rows} good rows"
        except DeliveryError as error:
            outcome = str(error)
        left = len(list(landing.iterdir()))
        print(json.dumps({"name": monster.name, "outcome": outcome, "peaks": _peaks_so_far(), "left": left}))


def _peaks_so_far() -> list[int]:
    """The most memory, in bytes, that this process has had, and any that it started."""
    [own] = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return [kilobytes * 1024 for kilobytes in (int(own), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)]


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of a process and its peak are Linux's")
@pytest.mark.nightly
@pytest.mark.parametrize(("memory", "times"), [(SMALLEST, 1), (DEFAULT, 5)], ids=["500 MB", "1 GB"])
def test_no_file_takes_more_memory_than_the_settings_allow(tmp_path: Path, memory: int, times: int) -> None:
    for place, monster in enumerate(MONSTERS):
        path = tmp_path / str(place) / "landing" / FORMATS[monster.format]["path"].format(delivered_on=DAY)
        path.parent.mkdir(parents=True)
        monster.write(path, times)
    code = f"from tests.hostile.test_memory import *; measure(Path({str(tmp_path)!r}), {memory}, {times})"
    found = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_DIR, capture_output=True, text=True, check=True)
    measured = [json.loads(line) for line in found.stdout.splitlines()]
    assert [one["name"] for one in measured] == [monster.name for monster in MONSTERS]
    for monster, one in zip(MONSTERS, measured, strict=True):
        assert monster.outcome.format(max_bytes=MAX_BYTES * times, rows=3 * times) in one["outcome"], one
        own, of_children = one["peaks"]
        assert own < memory + IMPORTED, one
        assert of_children < memory, one  # while one works, this process only waits for it
        assert one["left"] == ("good rows" in one["outcome"]), one  # what is refused does not return


def test_the_settings_say_how_much_memory_reading_may_take() -> None:
    required = {"sources": [], "first_delivery": DAY, "time_zone": "UTC", "reporting_currency": "EUR"}
    assert SettingsFile.model_validate(required).max_reading_memory == DEFAULT
    assert SettingsFile.model_validate({**required, "max_reading_memory": "512MB"}).max_reading_memory == 512_000_000
    for wrong in ("499MB", "much", -1):
        with pytest.raises(ValueError, match="max_reading_memory"):
            SettingsFile.model_validate({**required, "max_reading_memory": wrong})
