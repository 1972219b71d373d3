"""Changes are split exactly, and as by hand."""

import random
from fractions import Fraction
from itertools import pairwise

from pipelines.answers.effects import (
    MixAndRate,
    Ratio,
    VolumeMixRate,
    effects_in_order,
    effects_of_factors,
    mix_and_rate,
    volume_mix_and_rate,
    whole,
)


def ratios(**parts: tuple[int, int]) -> dict[str, Ratio]:
    return {name: Ratio(Fraction(numerator), Fraction(denominator)) for name, (numerator, denominator) in parts.items()}


def test_two_factors_share_their_interaction_equally() -> None:
    # 1,500 * 220 → 1,700 * 225: 200 * 222.5 and 1,600 * 5
    assert effects_of_factors([Fraction(1500), Fraction(220)], [Fraction(1700), Fraction(225)]) == [44_500, 8_000]


def test_the_published_example_of_one_factor_after_the_other() -> None:
    """Bookings and revenue per booking in the README of icanexplain (Max Halford, Carbonfact), where the price changes
    first: effects (inner, mix) of 2020 are 20,000 and 0, of 2021 0 and 110,000, of 2022 7,500 and 45,000."""
    years = [(1000, 200), (1000, 220), (1500, 220), (1700, 225)]
    price_first = [
        effects_in_order([Fraction(n) for n in before], [Fraction(n) for n in after], order=(1, 0))[::-1]
        for before, after in pairwise(years)
    ]
    assert price_first == [[20_000, 0], [0, 110_000], [7_500, 45_000]]


def test_the_symmetric_split_is_the_mean_of_both_orders() -> None:
    before, after = [Fraction(1500), Fraction(220)], [Fraction(1700), Fraction(225)]
    orders = [effects_in_order(before, after, order) for order in ((0, 1), (1, 0))]
    assert effects_of_factors(before, after) == [(a + b) / 2 for a, b in zip(*orders, strict=True)]


def test_three_factors_by_hand() -> None:
    # 2 * 3 * 5 = 30 → 3 * 3 * 5 = 45: only the first has changed
    assert effects_of_factors([Fraction(2), Fraction(3), Fraction(5)], [Fraction(3), Fraction(3), Fraction(5)]) == [
        15,
        0,
        0,
    ]
    # 1 * 1 * 1 → 2 * 2 * 2: all have changed alike
    assert effects_of_factors([Fraction(1)] * 3, [Fraction(2)] * 3) == [Fraction(7, 3)] * 3


def test_mix_and_rate_by_hand() -> None:
    before, after = ratios(web=(10, 100), phone=(30, 100)), ratios(web=(15, 100), phone=(90, 300))
    # R: 40/200 = 0.2 → 105/400 = 0.2625. Weights: web ½ → ¼, phone ½ → ¾. Rates: web 0.1 → 0.15, phone 0.3 → 0.3.
    overall = Fraction("0.23125")
    assert mix_and_rate(before, after) == {
        "web": MixAndRate(-Fraction(1, 4) * (Fraction("0.125") - overall), Fraction(3, 8) * Fraction("0.05")),
        "phone": MixAndRate(Fraction(1, 4) * (Fraction("0.3") - overall), Fraction(0)),
    }


def test_in_simpsons_paradox_the_mix_is_named_and_not_the_rate() -> None:
    """Both channels convert better and the whole converts worse, since more come through the worse channel."""
    before, after = ratios(good=(400, 500), bad=(50, 500)), ratios(good=(85, 100), bad=(180, 900))
    effects = mix_and_rate(before, after)
    assert whole(after).value - whole(before).value == Fraction(265, 1000) - Fraction(450, 1000)  # type: ignore[operator]
    assert all(effect.rate > 0 for effect in effects.values())
    assert sum(effect.mix for effect in effects.values()) < -Fraction("0.2")


def test_what_is_new_or_lost_is_mix() -> None:
    before, after = ratios(old=(10, 100), lost=(40, 100)), ratios(old=(10, 100), new=(20, 100))
    effects = mix_and_rate(before, after)
    # R: 0.25 → 0.15, R̄ = 0.2; the new part has 0.2, so that its weight changes nothing
    nothing = MixAndRate(Fraction(0), Fraction(0))
    assert effects == {"old": nothing, "lost": MixAndRate(-Fraction(1, 10), Fraction(0)), "new": nothing}


def test_a_numerator_without_a_denominator_is_an_effect_of_the_rate() -> None:
    """A channel that costs 100 and brings no customer."""
    before, after = ratios(web=(100, 10), tv=(0, 0)), ratios(web=(100, 10), tv=(100, 0))
    assert mix_and_rate(before, after)["tv"] == MixAndRate(Fraction(0), Fraction(10))


def test_volume_mix_and_rate_of_a_numerator_by_hand() -> None:
    before, after = ratios(web=(10, 100), phone=(30, 100)), ratios(web=(20, 200), phone=(60, 200))
    found = volume_mix_and_rate(before, after)
    assert found == VolumeMixRate(Fraction(40), Fraction(0), Fraction(0))


def test_the_parts_add_up_for_random_numbers() -> None:
    numbers = random.Random(7)
    for _ in range(1000):
        names = [f"part {number}" for number in range(numbers.randint(1, 8))]
        before, after = (
            {
                name: Ratio(Fraction(numbers.randint(-5, 50), numbers.randint(1, 9)), Fraction(numbers.randint(0, 30)))
                for name in names
                if numbers.random() < 0.8
            }
            | {"always": Ratio(Fraction(3), Fraction(7))}
            for _ in range(2)
        )
        first, last = whole(before), whole(after)
        assert first.value is not None
        assert last.value is not None
        effects = mix_and_rate(before, after)
        assert sum(effect.total for effect in effects.values()) == last.value - first.value
        split = volume_mix_and_rate(before, after)
        assert split.volume + split.mix + split.rate == last.numerator - first.numerator
        factors = (
            [Fraction(numbers.randint(-9, 99)) for _ in range(4)],
            [Fraction(numbers.randint(-9, 99), 7) for _ in range(4)],
        )
        (a, b, c, d), (e, f, g, h) = factors
        assert sum(effects_of_factors(*factors)) == e * f * g * h - a * b * c * d
