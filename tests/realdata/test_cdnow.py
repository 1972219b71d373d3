"""Real purchases without order numbers, added the way a user adds theirs."""

import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from tests.conftest import Installation

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def cdnow(tmp_path_factory: pytest.TempPathFactory, real_data_dir: Path) -> Installation:
    """69,659 purchases without order numbers, run through the whole job."""
    landing = tmp_path_factory.mktemp("cdnow") / "landing" / "cdnow"
    landing.mkdir(parents=True)
    shutil.copy(real_data_dir / "cdnow" / "CDNOW_master.txt", landing / "purchases_19980701.txt")
    installation = Installation(landing.parents[1], HERE / "cdnow" / "kpi.yml")
    installation.kpi("run")
    return installation


def test_cdnow_total_and_purchases_are_the_published_ones_and_equal_rows_are_two_purchases(
    cdnow: Installation, real_data_dir: Path
) -> None:
    with cdnow.published() as connection:
        total = dict(
            connection.execute(
                "select variant, sum(value) from marts.kpi_scorecard__monthly "
                "where kpi_id = 'revenue' and entity_type = 'company' and variant in ('net', 'orders') group by 1"
            ).fetchall()
        )
        counts = connection.execute(
            "select raw_rows, good_rows, quarantined_rows, superseded_rows from meta.delivered_row_counts"
        ).fetchall()
    assert total == {"net": Decimal("2500315.63"), "orders": Decimal(69659)}
    assert counts == [(69659, 69659, 0, 0)]
    rows = (real_data_dir / "cdnow" / "CDNOW_master.txt").read_text().splitlines()
    assert len(rows) - len(set(rows)) == 255  # which are exact duplicates in the file


def test_cdnow_months_equal_an_independent_sum_of_the_file(cdnow: Installation, real_data_dir: Path) -> None:
    expected: dict[str, Decimal] = {}
    for line in (real_data_dir / "cdnow" / "CDNOW_master.txt").read_text().splitlines()[1:]:
        _, day, _, value = line.split()
        month = f"{day[:4]}-{day[4:6]}"
        expected[month] = expected.get(month, Decimal(0)) + Decimal(value)
    with cdnow.published() as connection:
        published = {
            f"{month:%Y-%m}": value
            for month, value in connection.execute(
                "select period_month, value from marts.kpi_scorecard__monthly "
                "where kpi_id = 'revenue' and variant = 'net' and entity_type = 'company' and value <> 0"
            ).fetchall()
        }
    assert published == expected


def test_cdnow_margin_is_unknown_because_costs_are(cdnow: Installation) -> None:
    with cdnow.published() as connection:
        values = connection.execute(
            "select distinct status from marts.kpi_scorecard__monthly "
            "where kpi_id = 'revenue' and variant = 'margin' and entity_type = 'company' and sample_size > 0"
        ).fetchall()
    assert values == [("no_data",)]
