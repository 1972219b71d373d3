"""The daily partitions of raw assets, and half-open windows over them.

Belongs here: which delivery days exist. Does not belong here: which of them were delivered (`ingest/late_files.py`) or
have landed (`ingest/landing.py`).
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pipelines.settings import Settings, SettingsFile

if TYPE_CHECKING:
    import dagster as dg

# Metadata keys of a failed step: the days of a range that failed, and the line about each that was not delivered.
FAILED_DAYS, MISSING_DAYS = "delivery days that failed", "delivery days without a delivery"


def delivery_days(settings: Settings, newest: date | None = None) -> "dg.DailyPartitionsDefinition":
    """One partition per delivery day in the business time zone; a day exists once it has ended.

    After `last_delivery` there are none, unless something was delivered anyway: then up to the `newest` such day.
    """
    import dagster as dg  # takes seconds, and commands that only count days must respond immediately

    last = settings.last_delivery and max(settings.last_delivery, newest or settings.last_delivery)
    return dg.DailyPartitionsDefinition(
        start_date=str(settings.first_delivery),
        end_date=str(last + timedelta(days=1)) if last else None,
        timezone=settings.time_zone,
    )


def business_day(settings: SettingsFile) -> date:
    """The current day in the business time zone; its deliveries are not complete before it ends."""
    return datetime.now(ZoneInfo(settings.time_zone)).date()


def days_between(first: date, end: date) -> Iterator[date]:
    """The days in `[first, end)`."""
    for offset in range((end - first).days):
        yield first + timedelta(days=offset)


def stretches(days: Iterable[date]) -> list[list[date]]:
    """`days` in order, split where a day is missing between two of them."""
    found: list[list[date]] = []
    for day in sorted(set(days)):
        if found and day == found[-1][-1] + timedelta(days=1):
            found[-1].append(day)
        else:
            found.append([day])
    return found


def days_in_words(days: Iterable[date]) -> str:
    """`2025-01-03, 2025-01-05 to 2025-01-07`: every day, stretches of three or more as one."""
    words: list[str] = []
    for stretch in stretches(days):
        words += [f"{stretch[0]} to {stretch[-1]}"] if len(stretch) > 2 else map(str, stretch)
    return ", ".join(words)


def days_of_run(tags: Mapping[str, str]) -> list[date]:
    """The delivery days of a run with these Dagster tags, in order; none for a run without partitions.

    Whoever starts a run through Dagster's API may give it any tag. What is no date is no day.
    """
    day = tags.get("dagster/partition")
    first, last = (tags.get(f"dagster/asset_partition_range_{end}", day) for end in ("start", "end"))
    try:
        return list(days_between(date.fromisoformat(first or ""), date.fromisoformat(last or "") + timedelta(days=1)))
    except ValueError:
        return []
