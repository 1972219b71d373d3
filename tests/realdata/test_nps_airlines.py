"""A real survey of airline passengers, added as a user would add it."""

import csv
import shutil
from collections import Counter
from decimal import Decimal
from pathlib import Path
from statistics import mean, stdev

import pytest

from tests.conftest import Installation

HERE = Path(__file__).parent
FEWEST_ANSWERS = 50  # the exercise leaves out airlines with fewer


@pytest.fixture(scope="module")
def airlines(tmp_path_factory: pytest.TempPathFactory, real_data_dir: Path) -> Installation:
    """5,907 answers in two files of one delivery day."""
    landing = tmp_path_factory.mktemp("airlines") / "landing" / "nps_airlines"
    landing.mkdir(parents=True)
    for number in (1, 2):
        file = real_data_dir / "nps_airlines" / f"input_0{number}.csv"
        shutil.copy(file, landing / f"answers_2025-01-31_{number}.csv")
    installation = Installation(landing.parents[1], HERE / "nps_airlines" / "kpi.yml")
    installation.build(models="+kpi_nps")
    return installation


@pytest.mark.nightly
def test_the_whole_job_publishes_them(airlines: Installation) -> None:
    airlines.kpi("run")
    airlines.assert_published("kpi_nps")


def published_scores(airlines: Installation) -> dict[str, tuple[int, int, int, float]]:
    """Answers, promoters, detractors and NPS of each airline in January 2025."""
    with airlines.warehouse() as connection:
        return {
            airline: (responses, promoters, detractors, nps)
            for airline, responses, promoters, detractors, nps in connection.execute(
                "select entity_id, period_responses, period_promoters, period_detractors, period_nps "
                "from marts.kpi_nps "
                "where grain = 'month' and entity_type = 'segment' and period_start = date '2025-01-01'"
            ).fetchall()
        }


def test_prep_air_has_the_published_score(airlines: Installation) -> None:
    responses, promoters, detractors, nps = published_scores(airlines)["Prep Air"]
    assert (responses, promoters, detractors) == (184, 74, 35)
    assert round(nps, 2) == 21.20  # 21 in the published table, which rounds down


def test_every_airline_equals_an_independent_count_of_the_files(airlines: Installation, real_data_dir: Path) -> None:
    counted: dict[str, Counter[str]] = {}
    for number in (1, 2):
        with (real_data_dir / "nps_airlines" / f"input_0{number}.csv").open(encoding="utf-8-sig") as lines:
            for airline, _, score in list(csv.reader(lines))[1:]:
                kind = "promoter" if int(score) >= 9 else "detractor" if int(score) <= 6 else "passive"
                counted.setdefault(airline, Counter())[kind] += 1
    assert len(counted) == 99
    assert published_scores(airlines) == {
        airline: (
            kinds.total(),
            kinds["promoter"],
            kinds["detractor"],
            pytest.approx(100 * (kinds["promoter"] - kinds["detractor"]) / kinds.total(), abs=1e-12),
        )
        for airline, kinds in counted.items()
    }


def test_prep_airs_z_score_among_the_airlines_is_the_published_one(airlines: Installation, real_data_dir: Path) -> None:
    """Shares rounded down to whole percent, as the exercise's author did, for airlines with at least 50 answers."""
    scores = {
        airline: 100 * promoters // responses - 100 * detractors // responses
        for airline, (responses, promoters, detractors, _) in published_scores(airlines).items()
        if responses >= FEWEST_ANSWERS
    }
    z_score = (scores["Prep Air"] - mean(scores.values())) / stdev(scores.values())
    [published] = csv.DictReader((real_data_dir / "nps_airlines" / "expected_output_01.csv").open(encoding="utf-8-sig"))
    assert published["NPS"] == str(scores["Prep Air"])
    assert Decimal(published["Z-Score"]) == round(Decimal(z_score), 2)
