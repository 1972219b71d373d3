"""What surprises is named, and what is noise is not."""

import random

import pytest

from pipelines.answers.noise import LEVEL, Sample, judge, surprises, two_sided, unusual

Period = dict[str, Sample]


def sums(**amounts: float) -> Period:
    """Parts of which every case counts 1."""
    return {name: Sample(amount, None, amount) for name, amount in amounts.items()}


def test_nothing_surprises_where_all_change_alike() -> None:
    found = surprises(sums(a=100, b=300), sums(a=150, b=450))
    assert {name: surprise.amount for name, surprise in found.items()} == pytest.approx({"a": 0, "b": 0})


def test_the_surprise_of_a_sum_by_hand() -> None:
    # The mean of 400 and 500, times how much the share grew: 450 * (0.4 - 0.25)
    found = surprises(sums(a=100, b=300), sums(a=200, b=300))
    assert found["a"].amount == pytest.approx(450 * 0.15)
    assert found["b"].amount == pytest.approx(-450 * 0.15)


def test_a_part_that_stands_still_while_others_move_counts_half() -> None:
    found = surprises(sums(a=100, b=300), sums(a=200, b=300))
    assert (found["a"].weight, found["b"].weight) == (1, 0.5)


def test_the_surprise_of_a_ratio_by_hand() -> None:
    before = {"a": Sample(10, 100, 100), "b": Sample(20, 100, 100)}
    after = {"a": Sample(30, 100, 100), "b": Sample(20, 100, 100)}
    # Of R, 0.15 and 0.25, a has the excess 0.5 * (0.1 - 0.15) and 0.5 * (0.3 - 0.25).
    assert surprises(before, after)["a"].amount == pytest.approx(0.05)


def test_too_few_cases_are_not_judged() -> None:
    found = surprises(sums(a=4, b=300), sums(a=5, b=300))
    assert set(found) == {"b"}


def test_a_whole_that_is_not_above_zero_is_not_judged() -> None:
    loss = {"a": Sample(-50, None, 100), "b": Sample(20, None, 100)}
    assert surprises(loss, sums(a=100, b=100)) == {}


def test_without_a_past_nothing_is_judged() -> None:
    assert judge(sums(a=100, b=300), sums(a=200, b=300), []) == {}


@pytest.mark.parametrize(
    ("deviations", "degrees", "p_value"),
    [(2.228, 10, 0.05), (3.169, 10, 0.01), (2.042, 30, 0.05), (12.706, 2, 0.006137), (0.0, 10, 1.0)],
)
def test_p_values_are_those_of_tables(deviations: float, degrees: int, p_value: float) -> None:
    """Student's t: the 5 % and 1 % points of printed tables; with 2 degrees, 1 - t / sqrt(2 + t²)."""
    assert two_sided(deviations, degrees) == pytest.approx(p_value, rel=2e-3)


CUTS = {"channel": 5, "region": 4, "segment": 3, "team": 5, "rep": 14}


def periods(numbers: random.Random, count: int, faulty: float = 1.0) -> list[dict[str, Period]]:
    """So many periods of a company in which every order belongs to one part of every cut at random, and its amount is
    log-normal. In the last period, channel 1 has `faulty` times as many orders."""
    weights = {cut: [1 / (part + 1) for part in range(parts)] for cut, parts in CUTS.items()}
    made = []
    for number in range(count):
        cells: dict[str, dict[str, tuple[float, int]]] = {cut: {} for cut in CUTS}
        for _ in range(round(500 * numbers.uniform(0.8, 1.25))):
            parts = {cut: numbers.choices(range(len(each)), each)[0] for cut, each in weights.items()}
            if number == count - 1 and parts["channel"] == 1 and numbers.random() > faulty:
                continue
            amount = numbers.lognormvariate(5, 0.8)
            for cut, part in parts.items():
                total, cases = cells[cut].get(str(part), (0.0, 0))
                cells[cut][str(part)] = total + amount, cases + 1
        made.append({cut: _samples(of_cut) for cut, of_cut in cells.items()})
    return made


def _samples(cells: dict[str, tuple[float, int]]) -> Period:
    return {part: Sample(total, None, cases) for part, (total, cases) in cells.items()}


def report(made: list[dict[str, Period]]) -> tuple[str, str, float]:
    """The part that a report puts first, and its p-value, corrected for how many are compared."""
    verdicts = {
        (cut, part): verdict
        for cut in CUTS
        for part, verdict in judge(
            made[-2][cut], made[-1][cut], [(made[at][cut], made[at + 1][cut]) for at in range(len(made) - 2)]
        ).items()
    }
    first = max(verdicts, key=lambda name: abs(verdicts[name].deviations))
    return *first, verdicts[first].p_value * len(verdicts)


def test_without_an_incident_few_reports_name_a_part() -> None:
    """300 reports on the same company, each on twelve periods in which nothing but chance is at work."""
    numbers = random.Random(11)
    made = periods(numbers, 311)
    named = [at for at in range(300) if report(made[at : at + 12])[2] < LEVEL]
    assert len(named) <= 0.06 * 300


def test_an_incident_is_named_before_what_overlaps_with_it() -> None:
    """A channel loses four fifths of its orders, and with it every other cut some."""
    first = [report(periods(random.Random(seed), 14, faulty=0.2)) for seed in range(10)]
    assert [(cut, part) for cut, part, _ in first] == [("channel", "1")] * 10
    assert all(p_value < LEVEL for _, _, p_value in first)


def test_a_change_like_earlier_ones_is_usual_and_a_far_larger_one_is_not() -> None:
    earlier = [0.02, -0.03, 0.01, 0.04, -0.02, 0.03, -0.01, 0.02, -0.04, 0.01]
    usual, large = unusual(0.03, earlier), unusual(-0.4, earlier)
    assert usual is not None
    assert large is not None
    assert usual.p_value > 0.3
    assert large.p_value < LEVEL / 100
    assert large.deviations < 0


def test_one_incident_in_the_past_does_not_hide_the_next() -> None:
    earlier = [0.02, -0.03, 0.01, 0.04, -0.02, 0.03, -0.01, 0.02, -0.04, 0.01]
    after_an_incident = unusual(0.4, [*earlier, 0.5])
    assert after_an_incident is not None
    assert after_an_incident.p_value < LEVEL


@pytest.mark.parametrize("earlier", [[], [0.1] * 7, [0.0] * 20])
def test_a_short_or_constant_history_does_not_tell(earlier: list[float]) -> None:
    assert unusual(1.0, earlier) is None


def test_of_changes_that_are_noise_no_more_than_the_level_is_called_unusual() -> None:
    generator = random.Random(7)
    verdicts = [unusual(generator.gauss(0, 1), [generator.gauss(0, 1) for _ in range(24)]) for _ in range(4_000)]
    called = sum(verdict is not None and verdict.p_value < LEVEL for verdict in verdicts) / len(verdicts)
    assert 0.5 * LEVEL < called < 1.2 * LEVEL
