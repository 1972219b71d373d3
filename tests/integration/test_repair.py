"""A whole installation whose files are damaged publishes the same numbers after `kpi doctor --repair` and `kpi run`."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import Installation
from tests.integration.conftest import published_hashes

DAY = "2026-01-09"
DAMAGED = {
    "warehouse": "warehouse.duckdb",
    "raw": f"raw/shop/orders/delivered_on={DAY}/rows.parquet",
    "checks": "check_history.sqlite",
    "deliveries": "deliveries.sqlite",
    "alerts": "alerts.sqlite",
    "quarantine": "quarantine/rows.sqlite",
    "runs": "dagster/history/runs.db",
    "assets": "dagster/history/runs/index.db",
    "schedules": "dagster/schedules/schedules.db",
}


@pytest.fixture
def damaged(untouched_demo: Installation, tmp_path: Path) -> Installation:
    """A copy of the demo company, to be damaged."""
    shutil.copytree(untouched_demo.data_dir, tmp_path / "data", symlinks=True)
    return replace(untouched_demo, data_dir=tmp_path / "data")


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.nightly
def test_with_everything_but_publications_damaged_the_repair_and_a_run_publish_the_same(damaged: Installation) -> None:
    before = published_hashes(damaged)
    for file in DAMAGED.values():
        cut(damaged.data_dir / file)
    refused = damaged.kpi("run", check=False)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert "warehouse.duckdb cannot be read" in refused.stderr
    named = damaged.kpi("doctor", check=False)
    assert named.returncode == 1
    assert [file for file in DAMAGED.values() if f"{file} cannot be read" not in named.stdout] == []
    repaired = damaged.kpi("doctor", "--repair").stdout
    assert repaired.count("Moved ") == len(DAMAGED)
    damaged.kpi("run", "--date", DAY)
    assert published_hashes(damaged) == before
    damaged.kpi("doctor")


@pytest.mark.nightly
@pytest.mark.parametrize("file", ["kpi.duckdb", "manifest.json"])
def test_after_a_damaged_publication_the_next_run_publishes_the_same(damaged: Installation, file: str) -> None:
    before = published_hashes(damaged)
    cut(damaged.data_dir / "published" / file)
    damaged.kpi("run", "--date", DAY)
    assert published_hashes(damaged) == before
    damaged.kpi("doctor")
