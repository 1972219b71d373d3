"""Runs the daily job from the command line, on the same instance and so in the same history as the UI.

Belongs here: which days to run, running them, and telling a person what happened.
Does not belong here: the job (`definitions.py`), and reading arguments (`cli.py`).
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

from rich.console import Console

from pipelines.ingest.landing import raw_days
from pipelines.partitions import business_day, days_between
from pipelines.settings import Settings
from pipelines.sources import Source, each_table
from pipelines.warehouse import hold_writer_lock, release_writer_lock


class NothingDeliveredError(Exception):
    """The landing folder holds no delivery that could be run."""


@dataclass(frozen=True)
class Plan:
    """The delivery days to run, in order; a first load goes in one run, anything else a run per day."""

    days: list[date]
    in_one_run: bool

    def __str__(self) -> str:
        if len(self.days) == 1:
            return f"delivery day {self.days[0]}"
        how = "first load, one run" if self.in_one_run else "one run per day"
        return f"{len(self.days)} delivery days, {self.days[0]} to {self.days[-1]} ({how})"


def plan(settings: Settings, sources: list[Source], first: date | None = None, last: date | None = None) -> Plan:
    """What to run: the days asked for, else those with a delivery that has not landed, else the newest landed one.

    Raises:
        NothingDeliveredError: no day was asked for, and none was delivered.
    """
    landed, waiting = _landed_and_waiting(settings, sources)
    if first and last:
        days = list(days_between(first, last + timedelta(days=1)))
        return Plan(days, in_one_run=len(days) > 1 and not landed.intersection(days))
    if waiting:
        whole = list(days_between(waiting[0], waiting[-1] + timedelta(days=1)))
        if landed.intersection(whole):
            return Plan(waiting, in_one_run=False)
        return Plan(whole, in_one_run=len(whole) > 1)
    if landed:
        return Plan([max(landed)], in_one_run=False)
    raise NothingDeliveredError(
        f"{settings.landing_dir} holds no delivery since {settings.first_delivery} (setting first_delivery) "
        f"of any of these sources: {', '.join(source.name for source in sources)}. "
        "Put deliveries there, or make the demo company's: python -m demo_company."
    )


def _landed_and_waiting(settings: Settings, sources: list[Source]) -> tuple[set[date], list[date]]:
    """The days on which any table has landed, and those on which one has not that has files or is fetched."""
    landed: set[date] = set()
    waiting: set[date] = set()
    days = list(days_between(settings.first_delivery, business_day(settings)))
    for source, name, table in each_table(sources):
        landed_of_table = raw_days(settings.raw_dir, source.name, name)
        landed |= landed_of_table
        for day in days:
            if day not in landed_of_table and (source.is_asked or table.files(settings.landing_dir, day)):
                waiting.add(day)
    return landed, sorted(waiting)


def prepare_instance(settings: Settings) -> None:
    """Give Dagster its home in the data folder, so that history survives restarts without any variable being set."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(Path(__file__).with_name("dagster.yaml"), settings.dagster_home / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)
    os.environ.setdefault("DO_NOT_TRACK", "1")


def execute(days: Plan, console: Console, full_refresh: bool = False) -> dict[str, list[str]]:
    """Run the daily job over the days of the plan; per run that was blocked, what blocked it.

    A day that fails does not keep later days from landing: each run publishes, or does not, by itself.

    Raises:
        KeyboardInterrupt: somebody asked the process to end; the message says what became of the days.
    """
    standing = ["before a run began: nothing was changed"]
    try:
        return _execute(days, console, full_refresh, standing)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"Interrupted {standing[-1]}.") from None


def _execute(days: Plan, console: Console, full_refresh: bool, standing: list[str]) -> dict[str, list[str]]:
    """As `execute`; adds to `standing` where it is."""
    import dagster as dg

    from pipelines.alerts.runs import report_of_run
    from pipelines.alerts.sensors import tell_of_runs
    from pipelines.definitions import daily_job, defs, settings, suites
    from pipelines.housekeeping import tidy_safely
    from pipelines.interruption import can_be_interrupted
    from pipelines.progress import shown
    from pipelines.quality.data_docs import build_data_docs

    job = defs.resolve_job_def(daily_job.name)
    blocked: dict[str, list[str]] = {}
    with dg.DagsterInstance.get() as instance:
        for run_days in [days.days] if days.in_one_run else [[day] for day in days.days]:
            title = str(Plan(run_days, days.in_one_run))
            hold_writer_lock(settings.warehouse_path, f"`kpi run`, {title}", partial(console.print, markup=False))
            standing.append(f"in {title}: it published nothing, and the same command goes on from what has landed")
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
                    tags=_tags(run_days, full_refresh),
                )
            standing.append(f"after {title}, which was over")
            release_writer_lock(settings.warehouse_path)
            if interruption.came_too_late:
                raise KeyboardInterrupt
            if not result.success:
                blocked[title] = report_of_run(instance, result.run_id, suites, settings).blocked_by
            tell_of_runs(instance, settings, suites)
            build_data_docs(settings.data_docs_dir)
        tidy_safely(instance, settings)
    return blocked


def _tags(days: list[date], full_refresh: bool) -> dict[str, str]:
    tags = {".dagster/repository": "__repository__@pipelines.definitions"}  # the UI lists a job's runs by it
    if full_refresh:
        tags["full_refresh"] = "true"
    if len(days) > 1:
        tags["dagster/asset_partition_range_start"] = str(days[0])
        tags["dagster/asset_partition_range_end"] = str(days[-1])
    return tags


@contextmanager
def _quiet_stdout() -> Iterator[None]:
    """dbt's own lines go to the run's log in the UI, not between ours."""
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        yield
