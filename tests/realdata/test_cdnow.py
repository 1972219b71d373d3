"""Real purchases without order numbers, added as a user would add them."""

import shutil
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Installation

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def cdnow(tmp_path_factory: pytest.TempPathFactory, real_data_dir: Path) -> Installation:
    """69,659 purchases without order numbers, landed and built."""
    landing = tmp_path_factory.mktemp("cdnow") / "landing" / "cdnow"
    landing.mkdir(parents=True)
    shutil.copy(real_data_dir / "cdnow" / "CDNOW_master.txt", landing / "purchases_19980701.txt")
    installation = Installation(landing.parents[1], HERE / "cdnow" / "kpi.yml")
    marts = "+kpi_scorecard__monthly +kpi_clv__customer +kpi_retention__cohort"
    installation.build("1998-07-01", models=f"delivered_row_counts {marts}")
    return installation


@pytest.mark.nightly
def test_the_whole_job_publishes_them(cdnow: Installation) -> None:
    cdnow.kpi("run")
    cdnow.assert_published("kpi_scorecard__monthly")


def test_cdnow_total_and_purchases_are_the_published_ones_and_equal_rows_are_two_purchases(
    cdnow: Installation, real_data_dir: Path
) -> None:
    with cdnow.warehouse() as connection:
        total = dict(
            connection.execute(
                "select variant, sum(value) from marts.kpi_scorecard__monthly "
                "where kpi_id = 'revenue' and entity_type = 'company' and variant in ('net', 'orders') group by 1"
            ).fetchall()
        )
        counts = connection.execute(
            "select raw_rows, good_rows, quarantined_rows, superseded_rows from staging.delivered_row_counts"
        ).fetchall()
    assert total == {"net": Decimal("2500315.63"), "orders": Decimal(69659)}
    assert counts == [(69659, 69659, 0, 0)]
    rows = (real_data_dir / "cdnow" / "CDNOW_master.txt").read_text().splitlines()
    assert len(rows) - len(set(rows)) == 255  # these are exact duplicates in the file


def test_cdnow_months_equal_an_independent_sum_of_the_file(cdnow: Installation, real_data_dir: Path) -> None:
    expected: dict[str, Decimal] = {}
    for line in (real_data_dir / "cdnow" / "CDNOW_master.txt").read_text().splitlines()[1:]:
        _, day, _, value = line.split()
        month = f"{day[:4]}-{day[4:6]}"
        expected[month] = expected.get(month, Decimal(0)) + Decimal(value)
    with cdnow.warehouse() as connection:
        found = {
            f"{month:%Y-%m}": value
            for month, value in connection.execute(
                "select period_month, value from marts.kpi_scorecard__monthly "
                "where kpi_id = 'revenue' and variant = 'net' and entity_type = 'company' and value <> 0"
            ).fetchall()
        }
    assert found == expected


def test_cdnow_margin_is_unknown_because_costs_are(cdnow: Installation) -> None:
    with cdnow.warehouse() as connection:
        values = connection.execute(
            "select distinct status from marts.kpi_scorecard__monthly "
            "where kpi_id = 'revenue' and variant = 'margin' and entity_type = 'company' and sample_size > 0"
        ).fetchall()
    assert values == [("no_data",)]


def purchases(real_data_dir: Path) -> pd.DataFrame:
    """The file's purchases: customer, day and month, and the month of the customer's first purchase."""
    frame = pd.read_csv(
        real_data_dir / "cdnow" / "CDNOW_master.txt", sep=r"\s+", skiprows=1, names=["customer", "day", "cds", "value"]
    )
    frame["month"] = pd.to_datetime(frame["day"].astype(str)).dt.to_period("M")
    frame["cohort"] = frame.groupby("customer")["month"].transform("min")
    return frame


def test_cdnow_cohorts_and_those_who_come_back_equal_an_independent_count(
    cdnow: Installation, real_data_dir: Path
) -> None:
    counted = purchases(real_data_dir).groupby(["cohort", "month"])["customer"].nunique()
    with cdnow.warehouse() as connection:
        cells = connection.execute(
            "select cohort_month, months_since, customers, active_customers from marts.kpi_retention__cohort "
            "where entity_type = 'company' and is_mature"
        ).fetchall()
    found = {(pd.Period(cohort, "M"), pd.Period(cohort, "M") + since): active for cohort, since, _, active in cells}
    assert {key: active for key, active in found.items() if active} == counted.to_dict()
    sizes = {pd.Period(cohort, "M"): customers for cohort, since, customers, _ in cells if since == 0}
    assert sum(sizes.values()) == 23_570
    assert len(sizes) == 3  # all customers first bought in the first three months of 1997


def test_cdnow_repeat_customers_equal_an_independent_count(cdnow: Installation, real_data_dir: Path) -> None:
    orders = purchases(real_data_dir)["customer"].value_counts()
    with cdnow.warehouse() as connection:
        [row] = connection.execute(
            "select customers_to_date, repeat_customers from marts.kpi_retention "
            "where grain = 'month' and entity_type = 'company' and period_start = date '1998-06-01'"
        ).fetchall()
    assert row == (23_570, int((orders >= 2).sum()))


def test_cdnow_predicts_every_customer(cdnow: Installation) -> None:
    with cdnow.warehouse() as connection:
        counts = connection.execute(
            "select prediction_status, count(*), count(predicted_value) from marts.kpi_clv__customer group by 1"
        ).fetchall()
    assert counts == [("ok", 23_570, 23_570)]
