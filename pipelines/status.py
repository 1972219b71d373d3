"""One look: is today good, and if not, what is wrong and what to do next.

Belongs here: gathering the facts, read-only, and the sentences that say how things stand.
Does not belong here: finding out what is wrong with data (checks), and telling people of it (`alerts/`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pipelines.alerts.desk import told_safely
from pipelines.alerts.routes import load_alerts
from pipelines.ingest.landing import raw_days
from pipelines.publish.versions import published_as_of
from pipelines.settings import Settings
from pipelines.sources import Source, each_table

CHECKS = ("fresh", "complete", "no_critical_incident")


@dataclass(frozen=True)
class Line:
    """How one thing stands, in a sentence that changes only when the thing does.

    Attributes:
        next_step: what to do about it, with a command to type; empty if all is well.
    """

    name: str
    ok: bool
    sentence: str
    next_step: str = ""


def standing(settings: Settings, sources: Sequence[Source], now: datetime) -> list[Line]:
    """How things stand at `now` (UTC), a line for each of `CHECKS`."""
    return [_fresh(settings, now), _complete(settings, sources), _no_critical_incident(settings)]


def _fresh(settings: Settings, now: datetime) -> Line:
    as_of = published_as_of(settings.published_dir)
    if as_of is None:
        return Line("fresh", False, "Nothing is published yet.", "Run what was delivered: kpi run")
    yesterday = now.astimezone(ZoneInfo(settings.time_zone)).date() - timedelta(days=1)
    newest = min(yesterday, settings.last_delivery or yesterday)
    behind = (newest - as_of).days
    if behind > load_alerts(settings.alerts_file).watch.stale_after_days:
        return Line("fresh", False, f"Numbers are as of {as_of}, {behind} days behind {newest}.", "kpi run")
    return Line("fresh", True, f"Numbers are as of {as_of}; the newest delivery day is {newest}.")


def _complete(settings: Settings, sources: Sequence[Source]) -> Line:
    as_of = published_as_of(settings.published_dir)
    landed = {
        f"{source.name}.{name}": max(raw_days(settings.raw_dir, source.name, name), default=None)
        for source, name, table in each_table(sources)
        if table.empty_day == "forbidden"
    }
    behind = [f"{name} ({day or 'never'})" for name, day in landed.items() if as_of and (day is None or day < as_of)]
    if behind:
        return Line(
            "complete", False, f"Delivered less far than {as_of}: {', '.join(behind)}.", f"kpi run --date {as_of}"
        )
    return Line("complete", True, "Every table that delivers each day has its newest delivery in the numbers.")


def _no_critical_incident(settings: Settings) -> Line:
    critical = [incident for incident in told_safely(settings) if incident.severity == "critical"]
    if critical:
        more = f" And {len(critical) - 1} more." if len(critical) > 1 else ""
        said = f"{critical[0].title}: {critical[0].finding.message.rstrip('.')}.{more}"
        return Line("no_critical_incident", False, said, "kpi alerts list")
    return Line("no_critical_incident", True, "No critical incident is open.")
