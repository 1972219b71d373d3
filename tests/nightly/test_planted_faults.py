"""`kpi why` finds nine in ten of a hundred faults that are planted in the demo at its full size."""

from pathlib import Path

import pytest

from demo_company import __main__ as demo_company
from tests.conftest import Installation
from tests.planted_faults import SUBJECTS, PlantedFaults, named_first


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> PlantedFaults:
    data_dir: Path = tmp_path_factory.mktemp("full_size")
    assert demo_company.main(["--scale", "1", "--data-dir", str(data_dir)]) == 0
    Installation(data_dir).kpi("run")
    return PlantedFaults(data_dir / "published" / "kpi.duckdb")


@pytest.mark.nightly
def test_facts_count_as_the_scorecard_does(faults: PlantedFaults) -> None:
    """Otherwise, every planted fault would come with a fault of the test."""
    for subject in SUBJECTS:
        month = faults.months[-4]
        cuts = ", ".join(f"'{cut}'" for cut in ("company", *subject.cuts))
        cells = f"""
            select entity_type, entity_id, round(value, 9), numerator, denominator, sample_size, round(ci_low, 9)
            from marts.kpi_scorecard
            where grain = 'month' and period_start = date '{month}' and sample_size > 0 and entity_type in ({cuts})
                and kpi_id = '{subject.kpi_id}' and variant = '{subject.variant}'
            order by all
        """
        published = faults.connection.execute(cells).fetchall()
        faults.replace(subject, month, faults.facts(subject, month))
        assert faults.connection.execute(cells).fetchall() == published != []


@pytest.mark.nightly
def test_a_hundred_planted_faults_are_found(faults: PlantedFaults) -> None:
    found, missed = named_first(faults, range(100))
    assert len(found) >= 90, missed
