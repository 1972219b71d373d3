"""docs/quality.md: every example loads, passes on good rows and fails on bad ones."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from pipelines.checks.anomalies import DAYS_OFF
from pipelines.checks.gx.expectation_types import ALLOWED
from pipelines.checks.gx.relations import DuckDBTable, View
from pipelines.checks.suites import Suite, load_suite
from pipelines.checks.validation import validate
from pipelines.sources import Source
from tests.conftest import PROJECT_DIR

PAGE = (PROJECT_DIR / "docs" / "quality.md").read_text(encoding="utf-8")
WHOLE_SUITE, KINDS, SOURCE, OWN_SUITE = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)

NO_DAYS_OFF = View(DAYS_OFF, "select null::date as day, null::varchar as name, false as is_unusual where false")

# Twelve weeks of ten orders a day, and monthly rates for twelve months.
ORDERS = """
    select
        day * 10 + number as order_id, timestamp '2025-01-06 10:00' + to_days(day) as ordered_at, 'paid' as status,
        10.0::double as amount, number % 4 as customer_id, 'o' || number || '@example.com' as email,
        'orders.csv' as _source_file, day * 10 + number as _row_number,
        cast(date '2025-01-06' + to_days(day) as date) as _delivered_on,
        cast(date '2024-01-01' + to_months(day % 12) as date) as period_month,
        'win_rate' as kpi_id, 0.4 + day % 3 / 100 as rate
    from range(84) as days (day), range(10) as numbers (number)
"""
# What makes each check fail, and how many rows or figures it then reports.
BROKEN = {
    "order_id_unique": ("update orders set order_id = 5 where order_id = 6", 2),
    "order_id_ordered_at_unique_together": ("update orders set order_id = 5 where order_id = 6", 2),
    "ordered_at_not_null": ("update orders set ordered_at = null where order_id = 6", 1),
    "status_in_set": ("update orders set status = 'lost' where order_id = 6", 1),
    "amount_between": ("update orders set amount = -1 where order_id < 90", 90),
    "customer_id_known": ("update orders set customer_id = 99 where order_id < 9", 9),
    "ordered_at_not_ahead": ("update orders set ordered_at = ordered_at + interval 2 day where order_id = 6", 1),
    "ordered_at_no_gaps": ("delete from orders where ordered_at::date = '2025-02-01'", 1),
    "paid_has_an_amount": ("update orders set amount = null where order_id = 6", 1),
    "every_customer_ordered": ("delete from orders where customer_id = 3", None),
    "amount_is_finite": ("update orders set amount = 'nan' where order_id = 6", 1),
    "amount_of_the_day_is_usual": ("update orders set amount = 100 where order_id >= 830", 1),
    "rate_of_the_month_is_usual": ("update orders set rate = 0.9 where period_month = '2024-12-01'", 1),
}


def loaded(folder: Path, text: str) -> Suite:
    path = folder / "staging" / "orders.yml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return load_suite(path)


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """The whole suite of the page, with every kind of check in it."""
    whole = yaml.safe_load(WHOLE_SUITE)
    whole["expectations"] += yaml.safe_load(KINDS)
    return loaded(tmp_path, yaml.safe_dump(whole))


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema staging")
        connection.execute(f"create table staging.orders as {ORDERS}")
        # One rate per month, as in the scorecard.
        connection.execute("update staging.orders set rate = null where order_id >= 120 or order_id % 10 > 0")
        connection.execute("create table staging.customers as select range as id from range(4)")
    return path


def failed(suite: Suite, path: Path) -> dict[str, int | None]:
    results = validate(suite, DuckDBTable(path, "staging", "orders", (NO_DAYS_OFF,)))
    assert [result.error for result in results if result.error] == []
    assert "@example.com" not in str(results)
    return {result.check: result.unexpected_count for result in results if not result.passed}


def test_every_example_passes_on_good_rows_and_fails_on_bad_ones(suite: Suite, warehouse: Path) -> None:
    assert {spec.name for spec in suite.expectations} == set(BROKEN)
    assert failed(suite, warehouse) == {}
    sound = warehouse.read_bytes()
    for spec in suite.expectations:
        change, told = BROKEN[spec.name]
        with duckdb.connect(str(warehouse)) as connection:
            connection.execute("use staging")
            connection.execute(change)
        alone = Suite(**{name: getattr(suite, name) for name in Suite.model_fields} | {"expectations": [spec]})
        assert failed(alone, warehouse) == {spec.name: told}
        warehouse.write_bytes(sound)


def test_the_thresholds_of_the_page_are_the_defaults_of_a_source() -> None:
    settings: dict[str, Any] = yaml.safe_load(SOURCE)
    table = {
        "description": "Orders.",
        "path": "orders_{delivered_on}.csv",
        "format": "csv",
        "columns": ["order_id", "ordered_at"],
        "key": ["order_id"],
    }
    rest = {
        "name": "shop",
        "description": "A shop.",
        "connector": "files",
        "owner": "team:commerce",
        "sla": "06:00",
        "entities": ["orders"],
    }
    shown = settings["tables"]["orders"]
    assert shown["volume"].pop("since") == date(2025, 1, 1)
    written = Source.model_validate({**rest, **settings, "tables": {"orders": {**table, **shown}}})
    default = Source.model_validate({**rest, "tables": {"orders": {**table, "date_column": "ordered_at"}}})
    assert written == default


def test_a_suite_of_ones_own_loads(tmp_path: Path) -> None:
    assert loaded(tmp_path, OWN_SUITE).shipped_suite == "extended"


def test_names_on_the_page_exist() -> None:
    types = set(re.findall(r"\bexpect_\w+|unexpected_rows_expectation", PAGE))
    assert types - set(ALLOWED) == set()
    made = (PROJECT_DIR / "pipelines" / "checks" / "source_suites.py").read_text()
    [generated] = re.findall(r"\| check \| of \| severity \|\n(.*?)\n\n", PAGE, re.DOTALL)
    for name in re.findall(r"`([a-z_]+)`", generated):
        assert f'"{name}"' in made or name == "no_new_columns", name
