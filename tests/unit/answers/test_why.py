"""Why a number changed, for small scorecards that can be computed by hand."""

from fractions import Fraction

import pytest

from pipelines.answers.questions import QuestionError
from pipelines.answers.why import Why, why
from tests.unit.answers.scorecard import Cell, add, published


def sums(start: str, **channels: float) -> list[Cell]:
    """The company and its channels in a month, of which each case counts one."""
    total = sum(channels.values())
    return [
        (start, "company", "company", total, total, None, round(total)),
        *((start, "channel", name, value, value, None, round(value)) for name, value in channels.items()),
    ]


def rates(start: str, **channels: tuple[int, int]) -> list[Cell]:
    """The company and its channels in a month: won and closed."""
    won, closed = (sum(each[at] for each in channels.values()) for at in (0, 1))
    return [
        (start, "company", "company", won / closed, won, closed, closed),
        *((start, "channel", name, won / closed, won, closed, closed) for name, (won, closed) in channels.items()),
    ]


def contributions(answer: Why) -> dict[str, Fraction | None]:
    return {driver.name: driver.contribution for driver in answer.cut("channel").drivers}


def test_a_sum_is_split_by_entity_the_largest_first_with_new_and_lost_ones() -> None:
    cells = sums("2025-04-01", web=100, retail=50, fax=20) + sums("2025-05-01", web=70, retail=55, app=40)
    answer = why(published(cells, "count"), "kpi", "2025-05")
    assert contributions(answer) == {"app": 40, "web": -30, "fax": -20, "retail": 5}
    assert answer.change == -5
    drivers = answer.cut("channel").drivers
    assert [driver.name for driver in drivers if driver.is_new] == ["app"]
    assert [driver.name for driver in drivers if driver.is_lost] == ["fax"]


def test_a_ratio_is_split_by_mix_and_rate() -> None:
    cells = rates("2025-04-01", web=(10, 100), phone=(30, 100)) + rates("2025-05-01", web=(15, 100), phone=(90, 300))
    answer = why(published(cells, "rate"), "kpi", "2025-05")
    by_name = {driver.name: driver for driver in answer.cut("channel").drivers}
    # R: 0.2 → 0.2625; web's weight ½ → ¼ and rate 0.1 → 0.15, phone's rate stays 0.3
    assert by_name["web"].rate == Fraction(3, 8) * Fraction("0.05")
    assert by_name["phone"].rate == 0
    assert by_name["phone"].mix == Fraction(1, 4) * (Fraction("0.3") - Fraction("0.23125"))
    assert sum(driver.contribution or 0 for driver in by_name.values()) == answer.change == Fraction("0.0625")


def test_in_simpsons_paradox_the_mix_is_named_and_not_the_rate() -> None:
    """Both channels win more often, and the company less often, since more deals come through the worse channel."""
    cells = rates("2025-04-01", good=(400, 500), bad=(50, 500)) + rates("2025-05-01", good=(85, 100), bad=(180, 900))
    answer = why(published(cells, "rate"), "kpi", "2025-05")
    drivers = answer.cut("channel").drivers
    assert answer.change < 0
    assert all(driver.rate is not None and driver.rate > 0 for driver in drivers)
    assert sum(driver.mix or 0 for driver in drivers) < answer.change


def test_the_numerator_and_the_denominator_of_a_ratio_are_its_factors() -> None:
    cells = rates("2025-04-01", web=(10, 100)) + rates("2025-05-01", web=(20, 200))
    won, closed = why(published(cells, "rate"), "kpi", "2025-05").factors
    # 10/100 → 20/200: the numerator alone adds 10 · (1/100 + 1/200)/2, and the denominator takes it away.
    assert (won.name, won.effect) == ("won", Fraction(3, 40))
    assert (closed.name, closed.effect) == ("closed", -Fraction(3, 40))


def test_nps_is_split_in_points() -> None:
    """Promoters less detractors, 10 of 50 and then 20 of 50, are 20 and 40 points."""
    cells: list[Cell] = [
        (start, kind, name, 100 * top / 50, top, 50, 50)
        for start, top in (("2025-04-01", 10), ("2025-05-01", 20))
        for kind, name in (("company", "company"), ("channel", "web"))
    ]
    formula = "100 * (promoters less detractors) ÷ customers who answered"
    answer = why(published(cells, "score", formula), "kpi", "2025-05")
    assert contributions(answer) == {"web": 20}
    assert {factor.name: factor.effect for factor in answer.factors} == {
        "promoters less detractors": 20,
        "customers who answered": 0,
    }


def test_growth_is_split_like_the_ratio_that_it_is() -> None:
    """120 after 100 is 20 % growth, and 150 after 120 is 25 %."""
    cells: list[Cell] = [
        (start, kind, name, top / bottom - 1, top, bottom, 9)
        for start, top, bottom in (("2025-04-01", 120, 100), ("2025-05-01", 150, 120))
        for kind, name in (("company", "company"), ("channel", "web"))
    ]
    assert contributions(why(published(cells, "rate"), "kpi", "2025-05")) == {"web": Fraction("0.05")}


def test_a_cut_that_does_not_add_up_is_not_split() -> None:
    """Customers who ordered in two channels are one customer of the company."""
    cells = sums("2025-04-01", web=100, retail=50) + sums("2025-05-01", web=100, retail=60)
    both = [(*cell[:3], 130, 130, None, 130) if cell[1] == "company" else cell for cell in cells]
    answer = why(published(both, "count"), "kpi", "2025-05")
    cut = answer.cut("channel")
    assert cut.why_not.startswith("the values add up to 150.00 in 2025-04, and the company has 130.00")
    assert [driver.contribution for driver in cut.drivers] == [None, None]
    assert answer.ranking == ()


def test_a_median_is_not_split() -> None:
    cells: list[Cell] = [
        (start, kind, name, value, None, 20, 20)
        for start, value in (("2025-04-01", 14), ("2025-05-01", 12))
        for kind, name in (("company", "company"), ("channel", "web"))
    ]
    answer = why(published(cells, "days"), "kpi", "2025-05")
    assert answer.change == -2
    assert answer.factors == ()
    assert "median" in answer.cut("channel").why_not


def test_a_period_in_progress_is_compared_with_as_many_days() -> None:
    connection = published(sums("2025-05-01", web=900) + sums("2025-06-01", web=310), "count")
    for cell in sums("2025-05-01", web=300):
        add(connection, cell, "kpi_scorecard__to_date")
    answer = why(connection, "kpi", "2025-06")
    assert answer.to_date
    assert (answer.before, answer.after) == (Fraction(300), Fraction(310))
    assert contributions(answer) == {"web": 10}


def test_a_period_in_progress_is_compared_with_no_whole_period() -> None:
    connection = published(sums("2025-05-01", web=900) + sums("2025-06-01", web=310), "count")
    with pytest.raises(QuestionError, match="2025-06 is in progress, and of 2025-05 only the whole is published"):
        why(connection, "kpi", "2025-06", against="2025-05")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"period": "2025-01"}, "has no month before: the published periods begin with 2025-01"),
        ({"period": "2025-05", "against": "2025-05"}, "--against 2025-05 is the period itself"),
        ({"period": "2025-05", "against": "2024-05"}, "--against 2024-05 is not published"),
        ({"period": "2025-05", "against": "2025-01", "by": "chanel"}, "Did you mean channel"),
        ({"period": "2025-05", "against": "2025-03"}, "has no value for 2025-03"),
    ],
)
def test_what_cannot_be_compared_is_named(arguments: dict[str, str], message: str) -> None:
    cells = [
        *sums("2025-01-01", web=1),
        ("2025-03-01", "company", "company", None, None, None, 0),
        *sums("2025-05-01", web=2),
    ]
    with pytest.raises(QuestionError, match=message):
        why(published(cells, "count"), "kpi", **arguments)  # type: ignore[arg-type]
