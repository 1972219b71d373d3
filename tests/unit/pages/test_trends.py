"""Round numbers of an axis."""

import pytest

from pipelines.pages.sections.trends import ticks


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.133, 0.543], [0.2, 0.3, 0.4, 0.5]),
        ([-12.0, 31.0], [-10.0, 0.0, 10.0, 20.0, 30.0]),
        ([0, 1000], [0, 200, 400, 600, 800, 1000]),
        ([7.0, 7.0], [7.0]),
        ([], []),
    ],
)
def test_ticks_are_round_and_between_the_values(values: list[float], expected: list[float]) -> None:
    assert ticks(values) == pytest.approx(expected)
