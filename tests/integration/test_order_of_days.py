"""The order in which days are run does not matter."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import Installation
from tests.integration.conftest import deliver_demo, published_hashes

BULK, FIRST, SECOND = "2025-11-10", "2025-11-11", "2025-11-12"

SOURCES = {"KPI_SOURCES": "shop,crm,finance"}  # those that today's KPIs read

RUN_DAYS = """
import sys
from datetime import date
from rich.console import Console
from pipelines.run import Plan, execute, prepare_instance
from pipelines.settings import get_settings
prepare_instance(get_settings())
days = [date.fromisoformat(day) for day in sys.argv[1:]]
sys.exit("\\n".join(execute(Plan(days, in_one_run=False), Console())) or None)
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The demo company after its historical delivery only."""
    installation = deliver_demo(tmp_path_factory.mktemp("order") / "one", **SOURCES)
    installation.kpi("run", "--date", BULK)
    return installation


def test_two_days_in_either_order_give_byte_equal_marts(loaded: Installation, tmp_path: Path) -> None:
    other = Installation(tmp_path / "other", environment=SOURCES)
    shutil.copytree(loaded.data_dir, other.data_dir, symlinks=True)
    at_first = published_hashes(loaded)
    loaded.python("-c", RUN_DAYS, FIRST, SECOND)
    other.python("-c", RUN_DAYS, SECOND, FIRST)
    assert published_hashes(loaded) == published_hashes(other)
    assert published_hashes(loaded) != at_first
