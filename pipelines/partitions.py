"""The daily partitions of raw assets, and half-open windows over them.

Belongs here: which delivery days exist. Does not belong here: which of them were delivered (`ingest/arrivals.py`) or
have landed (`ingest/landing.py`).
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from pipelines.settings import Settings


def delivery_days(settings: Settings, newest: date | None = None) -> dg.DailyPartitionsDefinition:
    """One partition per delivery day in the business time zone; a day exists once it has ended.

    After `last_delivery` there are none, unless something was delivered all the same: up to its `newest` day.
    """
    last = settings.last_delivery and max(settings.last_delivery, newest or settings.last_delivery)
    return dg.DailyPartitionsDefinition(
        start_date=str(settings.first_delivery),
        end_date=str(last + timedelta(days=1)) if last else None,
        timezone=settings.time_zone,
    )


def business_day(settings: Settings) -> date:
    """The day it is where the business is; its deliveries are not complete before it ends."""
    return datetime.now(ZoneInfo(settings.time_zone)).date()


def days_between(first: date, end: date) -> Iterator[date]:
    """The days in `[first, end)`."""
    for offset in range((end - first).days):
        yield first + timedelta(days=offset)
