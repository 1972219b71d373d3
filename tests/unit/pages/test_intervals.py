"""Intervals of rates that are published as counts."""

import pytest

from pipelines.pages.intervals import wilson


def test_wilson_interval_of_a_published_example() -> None:
    assert wilson(12, 47) == pytest.approx((0.1525, 0.3951), abs=5e-5)


@pytest.mark.parametrize(("successes", "cases"), [(0, 5), (5, 5), (0, 1), (1, 1)])
def test_an_interval_stays_within_0_and_1(successes: int, cases: int) -> None:
    low, high = wilson(successes, cases) or (-1.0, 2.0)
    assert 0 <= low < high <= 1
    assert low <= successes / cases <= high


def test_without_cases_there_is_no_interval() -> None:
    assert wilson(0, 0) is None
