"""A real survey that some people filled in several times, added as a user would add it."""

import csv
import shutil
from pathlib import Path

import pytest

from tests.conftest import Installation

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory, real_data_dir: Path) -> Installation:
    """140 answers to five questions, landed and built."""
    landing = tmp_path_factory.mktemp("survey") / "landing" / "nps_dedup"
    landing.mkdir(parents=True)
    shutil.copy(real_data_dir / "nps_dedup" / "input_01.csv", landing / "answers_2020-01-31.csv")
    installation = Installation(landing.parents[1], HERE / "nps_dedup" / "kpi.yml")
    installation.build(models="+fct_nps_responses")
    return installation


def test_first_and_latest_answers_are_the_published_ones(survey: Installation, real_data_dir: Path) -> None:
    """A person who answered once has a first answer, but no separate latest answer in the published table."""
    with survey.warehouse() as connection:
        found = {
            (
                *customer.split("|"),
                f"{responded_at:%d/%m/%Y %H:%M:%S}",
                "First" if is_first else "Latest",
                score,
                category,
            )
            for customer, responded_at, is_first, score, category in connection.execute(
                "select customer_id, responded_at, is_first_response, score, category "
                "from marts.fct_nps_responses where is_first_response or is_latest_response"
            ).fetchall()
        }
    with (real_data_dir / "nps_dedup" / "expected_output_01.csv").open(encoding="utf-8-sig") as lines:
        rows = list(csv.DictReader(lines))
    expected = {
        (
            row["Country"],
            row["Store"],
            row["Name"],
            row["Completion Date (Date Time stamp)"],
            row["Result (First / Latest)"],
            int(row["Would you recommend C&BS Co to your friends and family?"]),
            next(kind.lower() for kind in ("Promoter", "Passive", "Detractor") if row[kind] == "1"),
        )
        for row in rows
    }
    assert len(expected) == 26
    assert found == expected
