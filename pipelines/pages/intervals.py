"""Intervals of rates that are published as counts only.

Belongs here: the formula. Does not belong here: intervals of the scorecard, which are published with their values.
"""

import math

_Z = 1.959963984540054  # of the standard normal distribution, for 95 %


def wilson(successes: int, cases: int) -> tuple[float, float] | None:
    """The 95 % Wilson interval of a rate (Wilson 1927), as fractions of 1; None without cases.

    It is what `dbt_project/macros/kpis.sql` computes for the scorecard.
    """
    if not cases:
        return None
    rate = successes / cases
    middle = rate + _Z**2 / (2 * cases)
    reach = _Z * math.sqrt(rate * (1 - rate) / cases + _Z**2 / (4 * cases**2))
    whole = 1 + _Z**2 / cases
    return max((middle - reach) / whole, 0.0), min((middle + reach) / whole, 1.0)
