"""Lands deliveries and builds the models: the job without Dagster, checks and publication.

Belongs here: doing so in a process of its own, forked from a server that has dbt loaded: that takes as long as a small
build. Hence the imports within functions: nobody but that server needs them.
"""

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.settings import Settings
    from pipelines.sources import Source

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    ["dbt.cli.main", "dbt.adapters.duckdb", "pipelines.transform.project", "pipelines.ingest.connectors"]
)


def land_and_build(environment: Mapping[str, str], days: Sequence[str], models: str, printed: Path) -> bool:
    """Land the deliveries of `days`, by default of all, and build what dbt selects as `models`; whether it succeeded.

    What the process prints goes to the file `printed`.
    """
    printed.parent.mkdir(parents=True, exist_ok=True)
    process = _PROCESSES.Process(target=_land_and_build, args=(dict(environment), list(days), models, printed))
    process.start()
    process.join()
    return process.exitcode == 0


def _land_and_build(environment: dict[str, str], days: list[str], models: str, printed: Path) -> None:
    from dbt.cli.main import dbtRunner

    from pipelines.settings import get_settings
    from pipelines.sources import load_sources
    from pipelines.transform.project import as_of_date, assemble_project, dbt_command, dbt_environment, dbt_variables

    os.environ.clear()
    os.environ.update(environment)
    with printed.open("wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    settings = get_settings()
    sources = load_sources(settings.sources, settings.company_dir)
    _land(settings, sources, days)
    os.environ.update(dbt_environment(settings, as_of_date(settings, sources)))
    build = ["build", "--select", models, "--indirect-selection", "cautious", "--exclude-resource-type", "unit_test"]
    build += ["--log-level-file", "none", "--no-write-json"]
    _, *arguments = dbt_command(build, assemble_project(settings), dbt_variables(settings, sources))
    sys.exit(0 if dbtRunner().invoke(arguments).success else 1)


def _land(settings: "Settings", sources: "list[Source]", days: list[str]) -> None:
    from pipelines.ingest.connectors import fetch
    from pipelines.ingest.landing import land
    from pipelines.partitions import business_day, days_between
    from pipelines.sources import each_table
    from pipelines.warehouse import sandboxed

    asked = [date.fromisoformat(day) for day in days]
    with sandboxed(settings.landing_dir, settings.raw_dir) as database:
        for source, name, table in each_table(sources):
            for day in asked or days_between(settings.first_delivery, business_day(settings)):
                fetch(source, name, table, day, settings)
                if table.files(settings.landing_dir, day):
                    land(source.name, name, table, day, settings.landing_dir, settings.raw_dir, database)
