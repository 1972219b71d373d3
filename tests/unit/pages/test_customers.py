"""The classes of the retention triangle, and charts of parts and movements."""

import re

import pytest

from pipelines.pages.charts import Step, stacked, waterfall
from pipelines.pages.sections.customers import STEPS, CohortOfCustomers, Returned, Triangle, step_of


@pytest.mark.parametrize(("rate", "step"), [(0.0, 1), (0.0399, 1), (0.04, 2), (0.28, 8), (0.32, 8), (1.0, 8)], ids=str)
def test_a_rate_is_in_the_class_that_begins_with_it(rate: float, step: int) -> None:
    assert step_of(rate, 0.04) == step
    assert step_of(rate, 0.04) <= STEPS


def test_the_legend_names_the_classes_that_occur() -> None:
    returned = [Returned(3, 0.3, step_of(0.3, 0.04)), Returned(1, 0.1, step_of(0.1, 0.04)), Returned(None, None, 1)]
    triangle = Triangle([CohortOfCustomers("2025-01", "Jan 25", 10, returned)], [1, 2], 0.04)
    assert triangle.legend == [(3, 0.08, 0.12), (8, 0.28, 0.32)]


def test_the_parts_of_a_bar_fill_it() -> None:
    drawn = stacked([("promoters", 5, "50 %"), ("passives", 3, "30 %"), ("detractors", 2, "20 %")], "NPS", width=500)
    widths = [float(width) for width in re.findall(r'<rect[^>]* width="([\d.]+)"', drawn)]
    assert widths == [250, 150, 100]
    assert re.findall(r'<rect[^>]* x="([\d.]+)"', drawn) == ["0.0", "250.0", "400.0"]


def test_a_bar_of_nothing_is_not_drawn() -> None:
    assert stacked([("promoters", 0, ""), ("passives", 0, "")], "NPS") == ""


def test_movements_of_nobody_are_drawn_at_zero() -> None:
    drawn = waterfall(
        [Step("Start", 0.0, is_total=True, text="0"), Step("End", 0.0, is_total=True, text="0")], "Customers"
    )
    assert re.findall(r'<rect class="total" x="([\d.]+)"', drawn) == ["220.0", "220.0"]
