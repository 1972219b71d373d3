"""Runs the daily job from the command line, on the same instance and therefore in the same history as the UI.

Belongs here: which days to run, running them, and reporting what happened.
Does not belong here: the job (`definitions.py`), and reading arguments (`cli/`).
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import takewhile
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING
from uuid import uuid4

from rich.console import Console

from pipelines import leftovers
from pipelines.config_files import ConfigError
from pipelines.damage import DamagedError
from pipelines.disk import sha256_of
from pipelines.formatting import local_time
from pipelines.ingest.landing import delivered_files
from pipelines.ingest.late_files import newest_delivery
from pipelines.operations.repair import check_records, ready_for_a_run
from pipelines.partitions import business_day, days_between, days_of_run, stretches
from pipelines.publish.versions import sweep
from pipelines.runs.code_location import HOST, STARTED_BY, belong_to_code_location
from pipelines.runs.history import JOB, DagsterHistory
from pipelines.runs.instance import instance_file
from pipelines.runs.profiling import ALERTS, DATA_DOCS, START_UP, measured
from pipelines.settings import Settings, get_settings
from pipelines.sources import Source, each_table, enabled_sources
from pipelines.tables import raw_days, raw_file
from pipelines.warehouse import hold_writer_lock, release_writer_lock

if TYPE_CHECKING:
    import dagster as dg


class NothingDeliveredError(Exception):
    """The landing folder contains no delivery to run."""


MOST_SINGLE_DAYS = 7  # more consecutive days than this are caught up in one run


@dataclass(frozen=True)
class Plan:
    """The runs to execute, in order, each for one or more consecutive delivery days."""

    runs: list[list[date]]
    is_first_load: bool = False
    goes_on: bool = False  # with what an interrupted run has left

    @classmethod
    def day_by_day(cls, days: Iterable[date]) -> "Plan":
        """One run per day, so that a blocked day blocks only itself."""
        return cls([[day] for day in sorted(set(days))])

    @property
    def days(self) -> list[date]:
        """All delivery days of the plan, in order."""
        return [day for run in self.runs for day in run]

    def __str__(self) -> str:
        days = self.days
        if len(days) == 1:
            return f"delivery day {days[0]}"
        if len(self.runs) == 1:
            how = "first load, one run" if self.is_first_load else "one run"
            how = "the rest of an interrupted run, one run" if self.goes_on else how
        else:
            how = "one run per day" if len(self.runs) == len(days) else f"{len(self.runs)} runs"
        return f"{len(days)} delivery days, {days[0]} to {days[-1]} ({how})"


def plan(settings: Settings, sources: list[Source], first: date | None = None, last: date | None = None) -> Plan:
    """What to run: the requested days, or else days with a delivery that has not landed, or else the newest landed day.

    A requested range is one run. So are a first load and many consecutive days, and what is left of them if they were
    interrupted: no day between is published. A few days run one by one.

    Raises:
        NothingDeliveredError: no day was requested, and nothing was delivered.
        ConfigError: a requested day is after `last_delivery`.
    """
    if last and settings.last_delivery and last > settings.last_delivery:
        newest = newest_delivery(settings, sources)
        if newest is None or last > newest:
            raise ConfigError(
                f"{last} is after the setting last_delivery ({settings.last_delivery}), and nothing was delivered for "
                "it. Deliver it, or change last_delivery."
            )
    landed, waiting = _landed_and_waiting(settings, sources)
    if first and last:
        return Plan([list(days_between(first, last + timedelta(days=1)))], is_first_load=not landed)
    if waiting:
        whole = list(days_between(waiting[0], waiting[-1] + timedelta(days=1)))
        goes_on = not _unfinished_days(settings).isdisjoint(waiting)
        if goes_on or not landed.intersection(whole):
            return Plan([whole], is_first_load=not landed, goes_on=goes_on and bool(landed))
        return Plan(
            [
                run
                for stretch in stretches(waiting)
                for run in ([stretch] if len(stretch) > MOST_SINGLE_DAYS else [[day] for day in stretch])
            ]
        )
    if landed:
        return Plan([[max(landed)]])
    raise NothingDeliveredError(
        f"{settings.landing_dir} contains no delivery since {settings.first_delivery} (setting first_delivery) "
        f"from any of these sources: {', '.join(source.name for source in sources)}. "
        "Put deliveries there, or create the demo company's: python -m demo_company."
    )


def newest_day(settings: Settings, sources: list[Source]) -> date | None:
    """The day of the newest delivery, at most yesterday; of fetched sources, yesterday; None if nothing came."""
    yesterday = business_day(settings) - timedelta(days=1)
    newest = newest_delivery(settings, sources)
    if any(source.is_asked for source in sources):
        newest = max(newest or settings.first_delivery, settings.last_delivery or yesterday)
    return min(newest, yesterday) if newest else None


def delivered_again(settings: Settings, sources: list[Source]) -> list[date]:
    """The landed days with files in the landing folder that have not landed in their current form, in order.

    The function looks back over the setting `late_file_days`.
    """
    found = set()
    oldest = business_day(settings) - timedelta(days=settings.late_file_days)
    for source, name, table in each_table(sources):
        if source.is_asked:
            continue
        for day in sorted(raw_days(settings.raw_dir, source.name, name)):
            if day < oldest:
                continue
            raw = raw_file(settings.raw_dir, source.name, name, day)
            files = table.files(settings.landing_dir, day)
            # Only files that are newer than their landing are hashed. A copy may keep an old modification time, but its
            # change time is new.
            if any(max(file.stat().st_mtime_ns, file.stat().st_ctime_ns) > raw.stat().st_mtime_ns for file in files):
                landed = delivered_files(raw)
                names = {file: file.relative_to(settings.landing_dir).as_posix() for file in files}
                if any(landed.get(name) != sha256_of(file) for file, name in names.items()):
                    found.add(day)
    return sorted(found)


def _landed_and_waiting(settings: Settings, sources: list[Source]) -> tuple[set[date], list[date]]:
    """The days on which any table has landed, and the days on which a table with files, or a fetched one, has not."""
    landed: set[date] = set()
    waiting: set[date] = set()
    days = list(days_between(settings.first_delivery, business_day(settings)))
    for source, name, table in each_table(sources):
        landed_of_table = raw_days(settings.raw_dir, source.name, name)
        landed |= landed_of_table
        for day in days:
            is_asked = source.is_asked and day <= (settings.last_delivery or day)
            if day not in landed_of_table and (is_asked or table.files(settings.landing_dir, day)):
                waiting.add(day)
    return landed, sorted(waiting)


def _unfinished_days(settings: Settings) -> set[date]:
    """The days of runs of several days that did not succeed, as far as no run has succeeded since."""
    with suppress(DamagedError):  # `kpi status` and `kpi doctor` report it
        unfinished = takewhile(
            lambda run: run.status != "SUCCESS", DagsterHistory(settings.dagster_home, settings.database_url).runs()
        )
        return {day for run in unfinished if len(run.days) > 1 for day in run.days}
    return set()


def prepare_instance(settings: Settings) -> None:
    """Set Dagster's home to the data folder, so that history survives restarts without any environment variable.

    Raises:
        DamagedError: the warehouse, a record or a file of Dagster's cannot be read.
    """
    check_records(settings)
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    file, text = settings.dagster_home / "dagster.yaml", instance_file(settings)
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        file.write_text(text, encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)
    os.environ.setdefault("DO_NOT_TRACK", "1")


def execute(planned: Plan, console: Console, full_refresh: bool = False) -> dict[str, list[str]]:
    """Run the daily job for the days of the plan; return, for each blocked run, what blocked it.

    A day that fails does not prevent later days from landing: each run publishes independently.

    Raises:
        KeyboardInterrupt: somebody interrupted the process; the message says what became of the days.
    """
    standing = ["before a run started: nothing was changed"]
    try:
        return _execute(planned, console, full_refresh, standing)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"Interrupted {standing[-1]}.") from None


def _execute(planned: Plan, console: Console, full_refresh: bool, standing: list[str]) -> dict[str, list[str]]:
    """The same as `execute`; it records its progress in `standing`."""
    with measured(START_UP):
        import dagster as dg

        from pipelines.alerts.run_report import report_of_run
        from pipelines.alerts.sensors import notify_of_runs
        from pipelines.checks.assets import build_docs_of_run, load_all_suites
        from pipelines.definitions import build_definitions
        from pipelines.operations.housekeeping import tidy_safely
        from pipelines.publish.asset_checks import report_standing
        from pipelines.runs.interruption import can_be_interrupted
        from pipelines.runs.progress import shown

        settings = get_settings()
        sources = enabled_sources(settings)
        suites = load_all_suites(settings, sources)
        job = build_definitions(settings, sources, suites).resolve_job_def(JOB)

    blocked: dict[str, list[str]] = {}
    with dg.DagsterInstance.get() as instance:
        belong_to_code_location(instance, JOB)
        for run_days in planned.runs:
            title = str(Plan([run_days], planned.is_first_load, planned.goes_on))
            say = partial(console.print, markup=False)
            hold_writer_lock(settings.warehouse_path, f"`kpi run`, {title}", say, settings.database_url)
            ready_for_a_run(settings, say)
            sweep(settings.published_dir)
            leftovers.sweep(leftovers.copies_in(settings.data_dir))
            for line in killed_runs(instance, settings, len(job.nodes)):
                say(line)
            standing.append(
                f"during {title}: it published nothing, and the same command continues with what has landed"
            )
            run_id = str(uuid4())
            with (
                shown(console, title, steps=len(job.nodes)),
                _quiet_stdout(),
                can_be_interrupted(instance, run_id) as interruption,
            ):
                result = job.execute_in_process(
                    run_id=run_id,
                    instance=instance,
                    run_config={"loggers": {"steps": {}}},
                    raise_on_error=False,
                    partition_key=str(run_days[0]) if len(run_days) == 1 else None,
                    tags=_tags(settings, run_days, full_refresh),
                )
            standing.append(f"after {title} had finished")
            release_writer_lock(settings.warehouse_path)
            if interruption.came_too_late:
                raise KeyboardInterrupt
            if not result.success:
                blocked[title] = report_of_run(instance, result.run_id, suites, settings).blocked_by
            with measured(ALERTS):
                notify_of_runs(instance, settings, suites)
            with measured(DATA_DOCS):
                if run := instance.get_run_by_id(result.run_id):
                    build_docs_of_run(settings, run, blocked.get(title, []))
        with measured(ALERTS):
            report_standing(instance, settings, sources)
            tidy_safely(instance, settings)
    return blocked


def killed_runs(instance: "dg.DagsterInstance", settings: Settings, steps: int) -> list[str]:
    """A line about each run that was killed since the last run: which one, when, and how far it got.

    Those that nobody has noticed yet are marked as failed, so that this comes before the success that follows.
    """
    import dagster as dg

    from pipelines.alerts.run_report import HowFar
    from pipelines.alerts.watching import end_dead_runs

    dead = end_dead_runs(instance, settings, is_the_writer=True)
    newest = instance.get_run_records(dg.RunsFilter(job_name=JOB), limit=1)
    lines = []
    for run_id in dict.fromkeys([*dead, *(record.dagster_run.run_id for record in newest)]):
        record = instance.get_run_record_by_id(run_id)
        how_far = HowFar.of(instance, run_id)
        if record is None or not (record.dagster_run.is_failure and how_far.was_killed):
            continue
        days = stretches(days_of_run(record.dagster_run.tags))
        of = f" of {days[0][0]}" + (f" to {days[-1][-1]}" if days[-1][-1] != days[0][0] else "") if days else ""
        began = local_time(datetime.fromtimestamp(record.start_time, UTC), settings.zone) if record.start_time else ""
        lines.append(
            f"Run {run_id[:8]}{of}{f', which began at {began},' if began else ''} was killed: {how_far.in_words(steps)}"
        )
    return lines


def _tags(settings: Settings, days: list[date], full_refresh: bool) -> dict[str, str]:
    tags = {STARTED_BY: "kpi run"}
    if settings.database_env:
        tags[HOST] = gethostname()
    if settings.workers:
        tags["dagster/max_retries"] = "0"  # no worker goes on with what a person has started here, and killed
    if full_refresh:
        tags["full_refresh"] = "true"
    if len(days) > 1:
        tags["dagster/asset_partition_range_start"] = str(days[0])
        tags["dagster/asset_partition_range_end"] = str(days[-1])
    return tags


@contextmanager
def _quiet_stdout() -> Iterator[None]:
    """Send dbt's own lines to the run's log in the UI, so that they do not mix with our output."""
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        yield
