"""Examines the landing folder: files that arrived after their day was run, and files that no run will ever read.

Belongs here: finding them, and the sensor that runs days again.
Does not belong here: landing (`landing.py`).
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import dagster as dg

from pipelines.ingest.gate import escaped
from pipelines.ingest.landing import has_landed
from pipelines.partitions import business_day, days_between
from pipelines.settings import Settings
from pipelines.sources import Source, Table, each_table
from pipelines.tables import raw_days
from pipelines.warehouse import sandboxed


def listings(settings: Settings, sources: Iterable[Source], first: date, end: date) -> dict[str, list[str]]:
    """For each delivery day in `[first, end)` that has files: a hash of each file's name, size and time.

    Files that the pipeline fetches itself are not included.
    """
    found: dict[str, list[str]] = {}
    for table in (table for source, _, table in each_table(sources) if not source.is_asked):
        for day in days_between(first, end):
            for path in table.files(settings.landing_dir, day):
                status = path.lstat()
                file = f"{path.relative_to(settings.landing_dir)} {status.st_size} {status.st_mtime_ns}"
                found.setdefault(str(day), []).append(hashlib.sha256(os.fsencode(file)).hexdigest()[:8])
    return {day: sorted(files) for day, files in found.items()}


def newest_delivery(settings: Settings, sources: Iterable[Source]) -> date | None:
    """The newest day that has landed or has a file in the landing folder; None if nothing was delivered."""
    days: set[date] = set()
    for source, name, table in each_table(sources):
        days |= raw_days(settings.raw_dir, source.name, name)
        any_day = re.sub(r"\*?\{delivered_on[^}]*\}\*?", "*", table.path)  # `**` within a name is not a pattern
        for path in settings.landing_dir.glob(any_day):
            if day := table.day_of(path.relative_to(settings.landing_dir).as_posix()):
                days.add(day)
    return max(days, default=None)


def unclaimed_files(settings: Settings, sources: Iterable[Source]) -> list[Path]:
    """Files in the folders of `sources` that no run will read: no table's `path` matches, or their day is too early.

    Paths are relative to the landing folder, escaped and sorted. Folders that no table's `path` names are ignored.
    """
    tables: dict[str, list[Table]] = {}
    for source, _, table in each_table(sources):
        if not source.is_asked and len(Path(table.path).parts) > 1:
            tables.setdefault(Path(table.path).parts[0], []).append(table)
    unclaimed = []
    for folder in tables:
        for path in (settings.landing_dir / folder).rglob("*"):
            name = path.relative_to(settings.landing_dir)
            if path.is_dir() or any(part.startswith(".") for part in name.parts):
                continue
            days = [day for table in tables[folder] if (day := table.day_of(name.as_posix()))]
            if not days or max(days) < settings.first_delivery:
                unclaimed.append(Path(escaped(str(name))))
    return sorted(unclaimed)


def touched_days(before: dict[str, list[str]], now: dict[str, list[str]], run_before: set[str]) -> list[str]:
    """The days that were run and now have files that are not in `before`. A file that disappeared is no delivery."""
    return sorted(day for day in run_before if set(now.get(day, [])) - set(before.get(day, [])))


def _without_repaired(settings: Settings, sources: Iterable[Source], days: Iterable[str]) -> list[str]:
    """Those of `days` with a file that has not landed in its current form. The others were repaired by a run."""
    tables = [found for found in each_table(sources) if not found[0].is_asked]
    with sandboxed(settings.landing_dir, settings.raw_dir) as database:
        return [
            day
            for day in days
            if not all(
                has_landed(
                    source.name, name, table, date.fromisoformat(day), settings.landing_dir, settings.raw_dir, database
                )
                for source, name, table in tables
            )
        ]


def late_files_sensor(settings: Settings, sources: list[Source], job_name: str, running: bool) -> dg.SensorDefinition:
    """Runs a delivery day again when a file for it arrives late or again, and runs only that day.

    It looks back over `late_file_days`. A file that is still being copied changes from one look to the next, so a day
    is run once two looks have found the same files. Days that were never run are left to the schedule, and days that
    somebody has run manually since are done.
    """

    @dg.sensor(
        name="late_files",
        job_name=job_name,
        minimum_interval_seconds=60,
        description="Runs a delivery day again when one of its files arrives late, or again with different content.",
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
    )
    def late_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        end = business_day(settings)
        first = max(settings.first_delivery, end - timedelta(days=settings.late_file_days))
        now = listings(settings, sources, first, end)
        cursor = json.loads(context.cursor) if context.cursor else {"handled": now, "seen": now}
        run_before = {
            str(day) for source, name, _ in each_table(sources) for day in raw_days(settings.raw_dir, source.name, name)
        }
        touched = touched_days(cursor["handled"], now, run_before)
        settled = [day for day in touched if cursor["seen"].get(day) == now[day]]
        waiting = set(touched) - set(settled)
        handled = {day: cursor["handled"].get(day, []) if day in waiting else files for day, files in now.items()}
        context.update_cursor(json.dumps({"handled": handled, "seen": now}))
        if not settled:
            return dg.SkipReason(
                f"{len(touched)} days have new files that may still be arriving." if touched else "No late files."
            )
        late = _without_repaired(settings, sources, settled)
        if not late:
            return dg.SkipReason(f"Late files have already been run manually: {', '.join(settled)}.")
        return dg.SensorResult(
            [dg.RunRequest(run_key=f"{day} {' '.join(now[day])}", partition_key=day) for day in late]
        )

    return late_files
