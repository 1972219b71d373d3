"""`kpi why` finds faults that are planted in facts, and is not misled by what overlaps with them."""

from pathlib import Path

import duckdb
import pytest

from tests.planted_faults import SUBJECTS, PlantedFaults, named_first


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published file of a company with 2,500 orders, 400 closed deals and 600 leads a month, made at random."""
    path = tmp_path_factory.mktemp("made_up") / "kpi.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("set threads = 1; select setseed(0.4)")
        connection.execute((Path(__file__).parent / "made_up_company.sql").read_text(encoding="utf-8"))
        connection.execute("alter table marts.kpi_scorecard alter period_start type date")
    return path


@pytest.fixture
def faults(made_up: Path) -> PlantedFaults:
    faults = PlantedFaults(made_up)
    for subject in SUBJECTS:
        for month in faults.months:
            faults.replace(subject, month, faults.facts(subject, month))
    return faults


def test_twenty_planted_faults_are_found(faults: PlantedFaults) -> None:
    found, missed = named_first(faults, range(20))
    assert len(found) >= 18, missed
