"""Whether a change is good depends on the variant, not on its KPI."""

import csv
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from pipelines.pages.sections.tiles import changes_of
from pipelines.pages.view import Measure, Row
from tests.conftest import PROJECT_DIR

ROW = Row(
    *("cac", "roas", "company", "company", "Company", date(2025, 12, 1)),
    *(Decimal(3), None, None, 20, None, None),
    *(Decimal(2), Decimal(1), None),
    *(Decimal(4), Decimal(-1), None),
    *(None, None, None, False, True, "ok", None),
)


def measure(variant: str) -> Measure:
    with (PROJECT_DIR / "dbt_project" / "seeds" / "kpi_variants.csv").open(encoding="utf-8") as file:
        found = next(row for row in csv.DictReader(file) if row["variant"] == variant)
    direction = found["good_direction"]
    return Measure(found["kpi_id"], variant, found["unit"], found["name_en"], "", "", "", direction, False)


@pytest.mark.parametrize(
    ("variant", "more_is_better"),
    [
        *(("net", True), ("refunds", False), ("discounts", None), ("roas", True), ("blended", False), ("spend", None)),
        *(("ltv_cac", True), ("cycle_days_median", False), ("hours_to_first_touch_median", False), ("period", True)),
    ],
)
def test_more_is_better_worse_or_neither(variant: str, more_is_better: bool | None) -> None:
    up, down = changes_of(ROW, measure(variant))
    assert up.is_better is more_is_better
    assert down.is_better is (None if more_is_better is None else not more_is_better)


def test_no_change_is_neither_better_nor_worse() -> None:
    [same, _] = changes_of(replace(ROW, delta=Decimal(0)), measure("net"))
    assert same.is_better is None


def test_without_an_earlier_value_there_is_no_change() -> None:
    assert changes_of(replace(ROW, delta=None, last_year_delta=None), measure("net")) == ()
