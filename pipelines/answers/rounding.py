"""How exact amounts are rounded where they are shown.

Belongs here: decimals per unit, and keeping the sum of what is shown right. Does not belong here: words and symbols.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from pipelines.answers.effects import ZERO

# To how many decimals values of a unit are shown, where a rate is shown in percent.
_DECIMALS = {"rate": 4, "count": 0, "score": 1, "days": 1, "hours": 1, "months": 1}


def rounded(amounts: Sequence[Fraction], unit: str) -> list[Fraction]:
    """Amounts as they are shown. The sum of what is shown is the rounded sum, so that tables add up."""
    shown, total, before = [], ZERO, ZERO
    for amount in amounts:
        total += amount
        shown.append(round_to_unit(total, unit) - before)
        before += shown[-1]
    return shown


def round_to_unit(amount: Fraction, unit: str) -> Fraction:
    """An amount with the decimals of its unit."""
    return Fraction(round(amount, _DECIMALS.get(unit, 2)))


def decimal(amount: Fraction) -> Decimal:
    """A fraction with twelve decimals, as the scorecard has them."""
    return Decimal(round(amount * 10**12)).scaleb(-12)
