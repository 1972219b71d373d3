"""Real orders with several payments each: every order and every person counts once."""

import shutil
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Installation

HERE = Path(__file__).parent
TABLES = ("orders", "payments", "customers")
FILES = {"payments": "order_payments"}


@pytest.fixture(scope="module")
def olist_orders(tmp_path_factory: pytest.TempPathFactory, real_data_dir: Path) -> Installation:
    """3,000 orders with 3,170 payments, landed and built."""
    landing = tmp_path_factory.mktemp("olist_orders") / "landing" / "olist_orders"
    landing.mkdir(parents=True)
    for table in TABLES:
        delivered = real_data_dir / "olist_orders" / f"olist_{FILES.get(table, table)}_dataset.csv"
        shutil.copy(delivered, landing / f"{table}_2018-12-01.csv")
    installation = Installation(landing.parents[1], HERE / "olist_orders" / "kpi.yml")
    installation.build(models="+kpi_revenue")
    return installation


@pytest.fixture(scope="module")
def paid(real_data_dir: Path) -> pd.DataFrame:
    """The orders that count, computed independently: month, person and amount paid, one row per order."""
    read = {
        table: pd.read_csv(
            real_data_dir / "olist_orders" / f"olist_{FILES.get(table, table)}_dataset.csv",
            dtype={"payment_value": str, "customer_zip_code_prefix": str},
        )
        for table in TABLES
    }
    payments = read["payments"].assign(value=read["payments"]["payment_value"].map(Decimal))
    orders = read["orders"].merge(payments.groupby("order_id")["value"].sum().reset_index(), how="left")
    orders = orders.merge(read["customers"][["customer_id", "customer_unique_id"]])
    orders = orders[~orders["order_status"].isin(["canceled", "unavailable"])]
    return orders.assign(month=orders["order_purchase_timestamp"].str[:7])


def test_an_order_with_several_payments_is_one_order_with_their_sum(
    olist_orders: Installation, paid: pd.DataFrame
) -> None:
    with olist_orders.warehouse() as connection:
        months = connection.execute(
            "select strftime(period_start, '%Y-%m'), orders, gross_amount from marts.kpi_revenue "
            "where grain = 'month' and entity_type = 'company' and orders > 0 order by 1"
        ).fetchall()
        [(orders, lines)] = connection.execute(
            "select count(distinct order_id), count(*) from marts.fct_order_items"
        ).fetchall()
    expected = paid.groupby("month").agg(orders=("order_id", "nunique"), value=("value", "sum"))
    assert months == [(month, row.orders, row.value) for month, row in expected.iterrows()]
    assert orders == lines == len(paid) == 2959


def test_a_person_with_several_numbers_is_one_customer(olist_orders: Installation, paid: pd.DataFrame) -> None:
    with olist_orders.warehouse() as connection:
        [(customers, first_orders)] = connection.execute(
            "select count(distinct customer_id), count(*) filter (is_first_order) from marts.fct_order_items"
        ).fetchall()
    assert customers == first_orders == paid["customer_unique_id"].nunique() < len(paid)
