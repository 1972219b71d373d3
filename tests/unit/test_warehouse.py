"""How much memory the warehouse may take."""

from pathlib import Path

import duckdb

from pipelines.warehouse import hold_writer_lock, memory_of_the_warehouse, reader, release_writer_lock


def _limit(connection: duckdb.DuckDBPyConnection) -> float:
    """The limit in GiB, as DuckDB rounds it."""
    [[limit]] = connection.execute("select current_setting('memory_limit')").fetchall()
    number, unit = limit.split()
    return float(number) * {"MiB": 1 / 1024, "GiB": 1, "TiB": 1024}[unit]


def test_a_run_leaves_a_quarter_of_the_memory_of_its_warehouse_to_others(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        default = _limit(connection)
        connection.execute(f"set memory_limit = '{memory_of_the_warehouse()}'")
        own = _limit(connection)
    assert abs(own - 0.75 * default) < 0.02 * default
    path = tmp_path / "warehouse.duckdb"
    duckdb.connect(str(path)).close()
    with reader(path) as connection:
        assert _limit(connection) == default  # of a reader in another process
    hold_writer_lock(path, "a test", print, None)
    try:
        with reader(path) as connection:
            assert _limit(connection) == own
    finally:
        release_writer_lock(path)
