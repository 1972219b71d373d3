"""Charts in tables share one axis: the same value is at the same place in every row, and under its mark in the head."""

import re

import pytest

from pipelines.pages import charts

ENDS = (0.2, 0.6)


def place(drawn: str, pattern: str) -> float:
    [found] = re.findall(pattern, drawn)
    return float(found)


@pytest.mark.parametrize("reference", [0.2, 0.386, 0.6])
def test_the_reference_of_a_row_stands_under_its_mark_in_the_head(reference: float) -> None:
    head = charts.axis(ENDS, "20 %", "60 %", "from 20 % to 60 %", reference)
    row = charts.interval(0.3, 0.35, 0.4, ENDS, "35 %", reference)
    mark = place(head, r'class="reference" d="M([\d.]+),') + 4
    assert mark == pytest.approx(place(row, r'class="reference" x1="([\d.]+)"'), abs=0.11)


def test_intervals_with_the_same_value_have_their_dot_at_the_same_place() -> None:
    wide = charts.interval(0.2, 0.4, 0.6, ENDS, "40 %")
    narrow = charts.interval(0.39, 0.4, 0.41, ENDS, "40 %")
    assert place(wide, r'cx="([\d.]+)"') == place(narrow, r'cx="([\d.]+)"')
    assert place(wide, r'class="whisker" x1="([\d.]+)"') < place(narrow, r'class="whisker" x1="([\d.]+)"')


def test_an_axis_without_a_reference_has_no_mark() -> None:
    assert "reference" not in charts.axis(ENDS, "20 %", "60 %", "from 20 % to 60 %")


def test_histograms_of_a_table_share_one_scale() -> None:
    def heights(shares: list[float]) -> list[float]:
        drawn = charts.columns(shares, 0.5, "label", [f"{share}" for share in shares])
        return [float(height) for height in re.findall(r'<rect[^>]* height="([\d.]+)"', drawn)]

    assert heights([0.5, 0.25, 0.0]) == [38.0, 19.0, 0.0]
    assert heights([0.25, 0.25, 0.5]) == [19.0, 19.0, 38.0]


def test_titles_of_a_histogram_are_inert() -> None:
    assert "<b>" not in charts.columns([1.0], 1.0, "<b>", ["<b>"])


def test_a_table_without_any_amount_has_bars_of_nothing() -> None:
    assert "<rect" in charts.bullet(0.0, None, 0.0, (0.0, 0.0), "0")
