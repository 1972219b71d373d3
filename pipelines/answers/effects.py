"""Splits the change of a number into effects that add up to it exactly.

Belongs here: arithmetic on fractions. Does not belong here: where the numbers come from (`why.py`), and whether an
effect is more than noise (`noise.py`).

Every split is symmetric: it does not matter which factor is said to have changed first, and nothing is left over as an
interaction. For two factors, that is the mean of "old weight * new price" and "new weight * old price" (Kitagawa 1955,
"Components of a Difference Between Two Rates", JASA 50; for price, volume and mix, Bennet 1920, "The Theory of
Measurement of Changes in Cost of Living", JRSS 83). For more factors, it is the mean over all orders in which they
could have changed (Shapley 1953; for decompositions, Shorrocks 2013, J. Econ. Inequality 11).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import factorial, prod

ZERO = Fraction(0)


@dataclass(frozen=True)
class Ratio:
    """The numerator and denominator of a part, such as deals won and deals closed of one rep."""

    numerator: Fraction = ZERO
    denominator: Fraction = ZERO

    @property
    def value(self) -> Fraction | None:
        """Numerator ÷ denominator; None if there is no denominator."""
        return self.numerator / self.denominator if self.denominator else None


@dataclass(frozen=True)
class MixAndRate:
    """What one part contributes to the change of a ratio: by its weight, and by its own rate."""

    mix: Fraction
    rate: Fraction

    @property
    def total(self) -> Fraction:
        """Both effects together."""
        return self.mix + self.rate


NOTHING = Ratio()


def effects_of_factors(before: Sequence[Fraction], after: Sequence[Fraction]) -> list[Fraction]:
    """What each factor contributes to the change of the product of all; the effects add up to it."""
    return effects_on(_product, before, after)


def effects_on(
    function: Callable[[list[Fraction]], Fraction], before: Sequence[Fraction], after: Sequence[Fraction]
) -> list[Fraction]:
    """What each argument contributes to the change of a function: the mean over all orders in which they could change.

    The effects add up to `function(after) - function(before)`. The function is called once per set of arguments that
    have changed, so 2ⁿ times for n arguments.
    """
    count = len(before)
    values = {
        changed: function([after[at] if changed >> at & 1 else before[at] for at in range(count)])
        for changed in range(2**count)
    }
    weights = [Fraction(factorial(size) * factorial(count - size - 1), factorial(count)) for size in range(count)]
    return [
        sum(
            (
                weights[changed.bit_count()] * (values[changed | 1 << at] - values[changed])
                for changed in values
                if not changed >> at & 1
            ),
            ZERO,
        )
        for at in range(count)
    ]


def effects_in_order(before: Sequence[Fraction], after: Sequence[Fraction], order: Sequence[int]) -> list[Fraction]:
    """What each factor contributes to the change of the product if they change one after the other, in this order."""
    factors = list(before)
    effects = [ZERO] * len(factors)
    for position in order:
        earlier = _product(factors)
        factors[position] = after[position]
        effects[position] = _product(factors) - earlier
    return effects


def _product(factors: Sequence[Fraction]) -> Fraction:
    return prod(factors, start=Fraction(1))


def whole(parts: Mapping[str, Ratio]) -> Ratio:
    """All parts together."""
    return Ratio(
        sum((part.numerator for part in parts.values()), ZERO), sum((part.denominator for part in parts.values()), ZERO)
    )


def mix_and_rate(before: Mapping[str, Ratio], after: Mapping[str, Ratio]) -> dict[str, MixAndRate]:
    """What each part contributes to the change of the ratio of sums, Σ numerators ÷ Σ denominators.

    With the weight w of a part (its share of all denominators), its rate r and the overall ratio R, where a bar is the
    mean of both periods: mix = Δw · (r̄ - R̄) and rate = w̄ · Δr. The mix effect of a part is thus positive if it gains
    weight and is better than the whole, or loses weight and is worse.

    A part that is new or lost has no rate in one of the periods, so all of its contribution is mix. A numerator without
    a denominator, such as spend that brought no customer, is an effect of the rate.

    Raises:
        ZeroDivisionError: a period has no denominator at all.
    """
    of_before, of_after = whole(before), whole(after)
    overall = (of_before.numerator / of_before.denominator + of_after.numerator / of_after.denominator) / 2
    effects = {}
    for name in {**before, **after}:
        first, last = before.get(name, NOTHING), after.get(name, NOTHING)
        contribution = last.numerator / of_after.denominator - first.numerator / of_before.denominator
        weight_gained = last.denominator / of_after.denominator - first.denominator / of_before.denominator
        rates = [rate for rate in (first.value, last.value) if rate is not None]
        mix = weight_gained * (sum(rates, ZERO) / len(rates) - overall) if rates else ZERO
        effects[name] = MixAndRate(mix, contribution - overall * weight_gained - mix)
    return effects


@dataclass(frozen=True)
class VolumeMixRate:
    """Why a numerator changed: more cases, cases elsewhere, or other rates within the parts."""

    volume: Fraction
    mix: Fraction
    rate: Fraction


def volume_mix_and_rate(before: Mapping[str, Ratio], after: Mapping[str, Ratio]) -> VolumeMixRate:
    """Why the sum of the numerators changed, where each is a number of cases times a rate.

    With D, the sum of the denominators: volume = ΔD · R̄, mix = D̄ · Σ mix of the parts, rate = D̄ · Σ rate of the parts.

    Raises:
        ZeroDivisionError: a period has no denominator at all.
    """
    of_before, of_after = whole(before), whole(after)
    effects = mix_and_rate(before, after).values()
    cases = (of_before.denominator + of_after.denominator) / 2
    overall = (of_before.numerator / of_before.denominator + of_after.numerator / of_after.denominator) / 2
    return VolumeMixRate(
        (of_after.denominator - of_before.denominator) * overall,
        cases * sum((effect.mix for effect in effects), ZERO),
        cases * sum((effect.rate for effect in effects), ZERO),
    )
