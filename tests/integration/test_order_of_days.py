"""The order in which days are run does not matter."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import Installation, deliver_demo

pytestmark = pytest.mark.nightly
BULK, FIRST, SECOND = "2025-11-10", "2025-11-11", "2025-11-12"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The demo company after only its historical delivery."""
    installation = deliver_demo(tmp_path_factory.mktemp("order") / "one")
    installation.build(BULK)
    return installation


def contents(installation: Installation) -> dict[str, tuple[int, int]]:
    """The number of rows and an order-independent checksum of every mart."""
    with installation.warehouse() as connection:
        tables = connection.execute("select table_name from duckdb_tables() where schema_name = 'marts'").fetchall()
        return {
            table: connection.execute(f"select count(*), sum(hash(t)) from marts.{table} as t").fetchall()[0]
            for (table,) in tables
        }


def test_two_days_in_either_order_give_equal_marts(loaded: Installation, tmp_path: Path) -> None:
    other = Installation(tmp_path / "other")
    shutil.copytree(loaded.data_dir, other.data_dir, symlinks=True)
    at_first = contents(loaded)
    for installation, days in ((loaded, (FIRST, SECOND)), (other, (SECOND, FIRST))):
        for day in days:
            installation.build(day)
    assert contents(loaded) == contents(other)
    assert contents(loaded) != at_first
    assert len(at_first) > 30
