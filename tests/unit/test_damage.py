"""A DuckDB file is damaged if rows are missing, and not if it is shorter than DuckDB counts."""

import os
import random
import resource
from pathlib import Path

import duckdb
import pytest

from pipelines.damage import damage_of_duckdb
from tests.forked import PROCESSES

MAY_GROW = 1_500_000  # bytes, at most, in each session on the full disk


@pytest.fixture
def short_file(tmp_path: Path) -> Path:
    """A whole file that is shorter than DuckDB counts."""
    file = tmp_path / "warehouse.duckdb"
    process = PROCESSES.Process(target=replace_tables_on_a_full_disk, args=(file,))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert is_short(file)
    return file


def test_blocks_that_a_full_disk_never_took_are_no_damage(short_file: Path) -> None:
    assert damage_of_duckdb(short_file) is None
    with duckdb.connect(str(short_file)) as connection:  # and it can be written again
        connection.execute("create table more as select range as number from range(100000)")
    assert damage_of_duckdb(short_file) is None


def test_a_file_that_lacks_rows_is_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("create table numbers as select random() as number from range(1000000)")
        connection.execute("create table few as select 1 as number")
    whole = file.stat().st_size
    for size in range(whole - 262_144, whole // 2, -262_144):
        os.truncate(file, size)
        assert damage_of_duckdb(file) == f"it is cut off after {size:,} bytes"


def test_a_file_that_lacks_long_texts_is_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("create table few as select 1 as number")
        connection.execute(
            "create table texts as select string_agg(chr(33 + cast(floor(random() * 90) as integer)), '') as text "
            "from range(2000000) as numbers group by range // 10000"
        )
    whole = file.stat().st_size
    for size in range(whole - 262_144, whole // 2, -262_144):
        os.truncate(file, size)
        assert damage_of_duckdb(file) == f"it is cut off after {size:,} bytes"


def test_looking_whether_a_short_file_is_whole_reads_no_rows(short_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = duckdb.connect

    class Listening:
        def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
            self.connection = connection

        def __enter__(self) -> "Listening":
            return self

        def __exit__(self, *_: object) -> None:
            self.connection.close()

        def execute(self, query: str) -> duckdb.DuckDBPyConnection:
            asked.append(query)
            return self.connection.execute(query)

    monkeypatch.setattr(duckdb, "connect", lambda *place, **options: Listening(real(*place, **options)))
    assert damage_of_duckdb(short_file) is None
    assert len(asked) > 3
    assert not [query for query in asked if "hash(" in query]


def replace_tables_on_a_full_disk(file: Path) -> None:
    """Replace tables, now and then without enough room, until the file is shorter than its blocks."""
    numbers = random.Random(1)
    with duckdb.connect(str(file)) as connection:
        for name in range(6):
            connection.execute(f"create table t{name} as select range, random() from range(100000)")
    for _ in range(100):
        room = file.stat().st_size + numbers.randrange(MAY_GROW)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        try:
            with duckdb.connect(str(file)) as connection:
                for _ in range(numbers.randint(1, 6)):
                    name, rows = f"t{numbers.randrange(6)}", numbers.randrange(200_000)
                    connection.execute(f"create or replace table {name} as select range, random() from range({rows})")
        except duckdb.Error:
            pass
        if is_short(file):
            return


def is_short(file: Path) -> bool:
    with duckdb.connect(str(file), read_only=True) as connection:
        [(size,)] = connection.execute("select block_size * total_blocks from pragma_database_size()").fetchall()
    return file.stat().st_size < int(size)
