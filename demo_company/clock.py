"""The demo company's calendar: its days, its deliveries and the Warsaw clock, all in whole numbers.

Belongs here: dates of the business, and converting local days to UTC seconds and back.
Does not belong here: when something happens, which is decided by the modules that invent events.

Days are counted from 1970-01-01 (local). Moments are UTC seconds since 1970-01-01T00:00:00Z.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]

MINUTE = 60
HOUR = 3_600
DAY = 86_400
NEVER = 1 << 40
"""Stands for "has not happened": later than every moment, so comparisons need no special case."""

_EPOCH = date(1970, 1, 1)


def day_number(day: date) -> int:
    """Days from 1970-01-01 to `day`."""
    return (day - _EPOCH).days


def date_of(number: int) -> date:
    """The date of a day number."""
    return _EPOCH + timedelta(days=int(number))


FIRST_DAY = day_number(date(2024, 1, 1))
BULK_DAY = day_number(date(2025, 11, 10))
"""The one historical delivery: everything up to and including this local day."""
LAST_DAY = day_number(date(2026, 1, 9))
"""The last daily delivery, and the as-of date of the truth."""


def _last_sunday_at_one(year: int, month: int) -> int:
    """The UTC second of 01:00 on the last Sunday of a 31-day month, when European clocks change."""
    last = date(year, month, 31)
    sunday = last - timedelta(days=(last.weekday() + 1) % 7)
    return int(datetime(sunday.year, sunday.month, sunday.day, 1, tzinfo=UTC).timestamp())


_SWITCHES = np.array([_last_sunday_at_one(year, month) for year in range(2023, 2027) for month in (3, 10)])


def warsaw_offset(moments: IntArray) -> IntArray:
    """By how many seconds Warsaw is ahead of UTC at each moment: 3600 in winter, 7200 in summer."""
    switches_passed = np.searchsorted(_SWITCHES, moments, side="right").astype(np.int64)
    return HOUR + HOUR * (switches_passed % 2)


def local_day(moments: IntArray) -> IntArray:
    """The Warsaw day number of each UTC moment."""
    return (moments + warsaw_offset(moments)) // DAY


def moment_of(days: IntArray, seconds_of_day: IntArray) -> IntArray:
    """The UTC moment of a Warsaw wall-clock time.

    A time that the spring change skips moves one hour back, and a time that occurs twice in autumn means the second
    occurrence. Neither ever leaves its local day.
    """
    wall = days * DAY + seconds_of_day
    return wall - warsaw_offset(wall - HOUR)


LAST_MOMENT = int(moment_of(np.array([LAST_DAY]), np.array([DAY - 1]))[0])


def delivery_day(happened_on: IntArray) -> IntArray:
    """The delivery that contains what happened on a local day: the bulk delivery, or the delivery of that day."""
    return np.maximum(happened_on, BULK_DAY)
