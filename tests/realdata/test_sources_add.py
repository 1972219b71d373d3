"""Real files, added only with `kpi sources add`: nobody edits the drafts, and the numbers are the published ones."""

import csv
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from tests.conftest import Installation

SETTINGS = """\
sources: [cdnow, ads_report, airlines, olist]
company_dir: company
first_delivery: 2025-01-31
time_zone: UTC
reporting_currency: USD
"""
FILES = {
    "cdnow/CDNOW_master.txt": "cdnow",
    "ad_spend/Marketing_sinderpreet_eu_semicolon_variant.csv": "ads_report",
    "nps_airlines/input_01.csv": "airlines",
    "olist_orders/olist_orders_dataset.csv": "olist",
    "olist_orders/olist_order_items_dataset.csv": "olist",
    "olist_orders/olist_customers_dataset.csv": "olist",
}
pytestmark = pytest.mark.nightly


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory, real_data_dir: Path) -> Installation:
    """Four sources, each file put where the command says, and built as drafted."""
    folder = tmp_path_factory.mktemp("added")
    (folder / "kpi.yml").write_text(SETTINGS, encoding="utf-8")
    installation = Installation(folder / "data", folder / "kpi.yml")
    for name, source in FILES.items():
        delivered = folder / "data" / "landing" / source / f"{Path(name).stem}_2025-01-31{Path(name).suffix}"
        delivered.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(real_data_dir / name, delivered)
        printed = installation.kpi("sources", "add", str(delivered), "--name", source).stdout
        assert "do not build" not in printed
        assert "Put the file" not in printed  # it is already in the right place
    installation.build()
    return installation


def test_drafts_of_real_files_give_the_published_revenue_and_spend(added: Installation, real_data_dir: Path) -> None:
    folder = real_data_dir / "olist_orders"
    with (folder / "olist_orders_dataset.csv").open(encoding="utf-8") as file:
        canceled = {row["order_id"] for row in csv.DictReader(file) if row["order_status"] == "canceled"}
    with (folder / "olist_order_items_dataset.csv").open(encoding="utf-8") as file:
        olist = sum(Decimal(row["price"]) for row in csv.DictReader(file) if row["order_id"] not in canceled)
    assert len(canceled) == 24
    with added.warehouse() as connection:
        revenue = dict(
            connection.execute(
                "select split_part(_source_file, '/', 1), sum(gross_amount) from marts.fct_order_items group by 1"
            ).fetchall()
        )
        [[spend]] = connection.execute("select sum(spend_amount) from marts.fct_marketing_spend").fetchall()
    assert revenue == {"cdnow": Decimal("2500315.63"), "olist": olist}
    assert round(spend / 1_000_000, 2) == Decimal("30.59")


def test_every_row_of_real_files_is_read(added: Installation) -> None:
    with added.warehouse() as connection:
        counts = connection.execute(
            "select source, sum(raw_rows), sum(good_rows) from staging.delivered_row_counts group by 1 order by 1"
        ).fetchall()
    assert counts == [
        ("ads_report", 308, 308),
        ("airlines", 5723, 5723),
        ("cdnow", 69659, 69659),
        ("olist", 9397, 9397),
    ]


def test_customer_numbers_of_one_person_are_one_customer(added: Installation, real_data_dir: Path) -> None:
    """Olist gives a person a new customer number with each order: by these, nobody would ever come back."""
    folder = real_data_dir / "olist_orders"
    with (folder / "olist_customers_dataset.csv").open(encoding="utf-8") as file:
        persons = {row["customer_id"]: row["customer_unique_id"] for row in csv.DictReader(file)}
    with (folder / "olist_orders_dataset.csv").open(encoding="utf-8") as file:
        buyers = [persons[row["customer_id"]] for row in csv.DictReader(file) if row["order_status"] != "canceled"]
    with added.warehouse() as connection:
        found = connection.execute(
            "select count(distinct order_id), count(distinct customer_id) from marts.fct_orders "
            "where starts_with(_source_file, 'olist/')"
        ).fetchall()
    assert found == [(len(buyers), len(set(buyers)))]
    assert len(set(buyers)) < len(buyers)
