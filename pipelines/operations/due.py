"""What should have happened by a given time: the newest delivery day, its files, its run.

Belongs here: comparing a time with the settings, the sources' `sla` and the times in `alerts.yml`.
Does not belong here: what has really happened (`status.py`, `alerts/watching.py`), and any clock: the time is an
argument.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pipelines.settings import Settings
from pipelines.sources import Source, Table, each_table
from pipelines.tables import raw_days


@dataclass(frozen=True)
class Due:
    """A delivery that should have arrived by now, and how far it has got."""

    source: Source
    table_name: str
    table: Table
    delivered_on: date
    has_landed: bool
    has_files: bool

    @property
    def is_here(self) -> bool:
        return self.has_landed or self.has_files


def local(settings: Settings, now: datetime) -> datetime:
    """`now` in the business time zone."""
    return now.astimezone(ZoneInfo(settings.time_zone))


def newest_day(settings: Settings, now: datetime) -> date:
    """The newest delivery day that can be expected: yesterday, or `last_delivery`."""
    yesterday = local(settings, now).date() - timedelta(days=1)
    return min(yesterday, settings.last_delivery or yesterday)


def has_ended(settings: Settings, now: datetime) -> bool:
    """True if no further delivery is expected, so that no delivery can be late and no run can be missed."""
    yesterday = local(settings, now).date() - timedelta(days=1)
    return settings.last_delivery is not None and settings.last_delivery < yesterday


def is_awaited(settings: Settings, now: datetime) -> bool:
    """True if yesterday is a delivery day."""
    yesterday = local(settings, now).date() - timedelta(days=1)
    return yesterday >= settings.first_delivery and not has_ended(settings, now)


def run_is_expected(settings: Settings, switch: bool | None) -> bool:
    """Whether something other than a person should start the daily run.

    `switch` is the position of the schedule's switch in the UI, or None if nobody has used it. Cron ignores the switch.
    """
    if settings.started_by == "cron" or switch is None:
        return settings.started_by != "none"
    return switch


def due_deliveries(settings: Settings, sources: Iterable[Source], now: datetime) -> Iterator[Due]:
    """Yesterday's deliveries whose source's `sla` has passed, of the tables that deliver every day."""
    for source, name, _ in each_table(sources):
        if due := due_delivery(settings, source, name, now):
            yield due


def due_delivery(settings: Settings, source: Source, table_name: str, now: datetime) -> Due | None:
    """Yesterday's delivery of a table if its source's `sla` has passed; None for tables that may deliver nothing.

    What the pipeline fetches itself arrives with the run, and is never late.
    """
    here = local(settings, now)
    table = source.tables[table_name]
    is_late_if_missing = not source.is_asked and table.empty_day != "allowed"
    if not is_late_if_missing or not is_awaited(settings, now) or here.time() < time.fromisoformat(source.sla):
        return None
    yesterday = here.date() - timedelta(days=1)
    return Due(
        source,
        table_name,
        table,
        yesterday,
        has_landed=yesterday in raw_days(settings.raw_dir, source.name, table_name),
        has_files=bool(table.files(settings.landing_dir, yesterday)),
    )
