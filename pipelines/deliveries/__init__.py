"""Stands in for the package of this name until it is merged: the interface, and answers that follow from raw alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from pipelines.ingest.landing import raw_days
from pipelines.ingest.quarantined_files import QuarantinedFiles
from pipelines.partitions import days_between
from pipelines.settings import Settings
from pipelines.sources import Source, each_table


@dataclass(frozen=True)
class Delivery:
    """What one table received on one day, and what is known of it."""

    source: str
    table: str
    delivered_on: date
    state: Literal["passed", "unjudged", "rejected", "accepted", "left_out", "missing", "refused"]
    problems: tuple[str, ...] = ()
    decided_by: str = ""
    reason: str = ""


def deliveries_in_question(settings: Settings, sources: Sequence[Source]) -> list[Delivery]:
    """Every delivery that has not passed, newest day first."""
    landed = {
        (source.name, name): raw_days(settings.raw_dir, source.name, name) for source, name, _ in each_table(sources)
    }
    newest = max((max(days) for days in landed.values() if days), default=None)
    refused = QuarantinedFiles(settings.quarantine_dir / "files", settings.landing_dir)
    found = []
    for source, name, table in each_table(sources):
        if table.empty_day == "allowed" or newest is None:
            continue
        for day in days_between(settings.first_delivery, newest + timedelta(days=1)):
            if day in landed[source.name, name]:
                continue
            reasons = tuple(file.reason for file in refused.of_day(source.name, name, day))
            found.append(Delivery(source.name, name, day, "refused" if reasons else "missing", reasons))
    return sorted(found, key=lambda delivery: delivery.delivered_on, reverse=True)


def complete_through(settings: Settings, sources: Sequence[Source]) -> date | None:
    """The newest day up to which every table that must deliver has landed."""
    required = [
        raw_days(settings.raw_dir, source.name, name)
        for source, name, table in each_table(sources)
        if table.empty_day == "forbidden"
    ]
    through = None
    day = settings.first_delivery
    while required and all(day in days for days in required):
        through, day = day, day + timedelta(days=1)
    return through
