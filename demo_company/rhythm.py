"""When things happen: the rhythm of days, seasons and hours.

Belongs here: how likely a day or an hour is.
Does not belong here: the calendar itself (clock), and what happens then.
"""

from __future__ import annotations

import numpy as np

from demo_company.clock import BULK_DAY, FIRST_DAY, HOUR, LAST_DAY, IntArray
from demo_company.dice import Dice

_SEASON = np.array((90, 88, 95, 97, 100, 98, 92, 90, 102, 110, 130, 140))  # January to December
_ARRIVALS = np.array((105, 110, 110, 108, 105, 70, 60))  # Monday to Sunday
_PURCHASES = np.array((95, 100, 100, 98, 96, 66, 58))
_SHOP_HOURS = (8, 5, 3, 2, 2, 3, 6, 12, 20, 28, 32, 34, 36, 34, 32, 31, 32, 35, 40, 44, 46, 40, 28, 16)
_OFFICE_HOURS = (1, 1, 1, 1, 1, 2, 6, 20, 50, 80, 90, 88, 70, 80, 88, 84, 70, 45, 20, 12, 8, 6, 4, 2)


def _season(days: IntArray) -> IntArray:
    months: IntArray = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12
    factors: IntArray = _SEASON[months]
    return factors


def _weekday(days: IntArray) -> IntArray:
    """0 for Monday. Day 0, 1970-01-01, was a Thursday."""
    return (days + 3) % 7


def arrivals() -> IntArray:
    """How many new people arrive on each local day, FIRST_DAY to LAST_DAY, as weights: growth, weekday and season."""
    days = np.arange(FIRST_DAY, LAST_DAY + 1)
    growth = 1_000 + 1_400 * (days - FIRST_DAY) // (LAST_DAY - FIRST_DAY)
    weights: IntArray = growth * _ARRIVALS[_weekday(days)] * _season(days)
    return weights


def demand(days: IntArray) -> IntArray:
    """Of a thousand repeat purchases that are due on such a day, how many happen at all, by weekday and season."""
    likely: IntArray = _PURCHASES[_weekday(days)] * _season(days) // 13
    return likely


def pick_days(dice: Dice, count: int) -> IntArray:
    """`count` local days, busy days more often, plus one for each daily delivery day that got none."""
    days = FIRST_DAY + dice.weighted(arrivals(), count)
    daily = np.arange(BULK_DAY + 1, LAST_DAY + 1)
    return np.concatenate([days, np.setdiff1d(daily, days)])


def shop_times(dice: Dice, size: int) -> IntArray:
    """Seconds of the day at which people buy: in the evening, and sometimes around midnight."""
    return dice.weighted(_SHOP_HOURS, size) * HOUR + dice.below(HOUR, size)


def office_times(dice: Dice, size: int) -> IntArray:
    """Seconds of the day at which offices work."""
    return dice.weighted(_OFFICE_HOURS, size) * HOUR + dice.below(HOUR, size)
