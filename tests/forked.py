"""Processes forked from a server that has imported everything and has parsed the shipped models once.

Belongs here: work for which tests would otherwise start Python, which takes as long as a small build: landing
deliveries and building models (the job without Dagster, checks and publication), dbt, and the `kpi` command. Imports
are inside functions, because only that server and those processes need them.
Does not belong here: anything that needs a process of its own from the start. The server reads no settings, so each
process reads its own. But the process has all modules loaded, and cannot be killed like an ordinary process.
"""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.settings import Settings
    from pipelines.sources import Source

ENGINE = os.environ.get("TEST_ENGINE", "duckdb")  # what builds the models of all tests; `make test-spark` sets it
# There is one server: if another module preloaded something, that would replace this preloading. Where pyspark is
# installed, Great Expectations imports it, and a process that is forked after that dies.
PROCESSES = multiprocessing.get_context("forkserver" if ENGINE == "duckdb" else "spawn")
PROCESSES.set_forkserver_preload(["tests.preloaded"])


def land_and_build(
    environment: Mapping[str, str], days: Sequence[str], models: str
) -> subprocess.CompletedProcess[str]:
    """Land the deliveries of `days`, by default of all days, and build what `models` selects in dbt."""
    return _run(_land_and_build, environment, list(days), models)


def dbt(environment: Mapping[str, str], arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run the `dbt` command. The `arguments` contain the project."""
    return _run(_dbt, environment, list(arguments))


def dbt_on_models(environment: Mapping[str, str], arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run dbt on an installation's models, as `kpi dbt` does."""
    return _run(_dbt_on_models, environment, list(arguments))


def python(environment: Mapping[str, str], code: str) -> subprocess.CompletedProcess[str]:
    """Run Python code."""
    return _run(exec, environment, code)


def kpi(
    environment: Mapping[str, str], arguments: Sequence[str], folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the `kpi` command, in `folder` if it is given."""
    return _run(_kpi, environment, list(arguments), folder)


def _run(
    function: Callable[..., None], environment: Mapping[str, str], *arguments: object
) -> subprocess.CompletedProcess[str]:
    with TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        process = PROCESSES.Process(
            target=_begin, args=(function, dict(environment), _lineages().name, out, err, *arguments)
        )
        process.start()
        process.join()
        assert process.exitcode is not None
        return subprocess.CompletedProcess(arguments, process.exitcode, out.read_text(), err.read_text())


@cache
def _lineages() -> TemporaryDirectory[str]:
    """What all forked processes share. It is theirs to use, but this process's to make and to delete."""
    return TemporaryDirectory(prefix="lineages")


def _begin(
    function: Callable[..., None], environment: dict[str, str], lineages: str, out: Path, err: Path, *arguments: object
) -> None:
    from tests.lineages import share

    os.environ.clear()
    os.environ.update(environment)
    for stream, printed in ((1, out), (2, err)):
        with printed.open("wb") as file:
            os.dup2(file.fileno(), stream)
    share(Path(lineages))
    function(*arguments)


def _kpi(arguments: list[str], folder: Path | None) -> None:
    from pipelines.__main__ import main

    if folder:
        os.chdir(folder)
    sys.argv = ["kpi", *arguments]
    main()


def _dbt(arguments: list[str]) -> None:
    from dbt.cli.main import dbtRunner

    ended = dbtRunner().invoke(arguments)
    if not ended.success:
        messages = [one.message for one in getattr(ended.result, "results", ()) if one.message]
        sys.exit("\n".join([str(ended.exception or ""), *messages]))


def _dbt_on_models(arguments: list[str]) -> None:
    from pipelines.settings import get_settings
    from pipelines.sources import enabled_sources
    from pipelines.transform.dbt_runner import invoke
    from pipelines.transform.project import as_of_date, assemble_project, dbt_command, dbt_environment, dbt_variables

    settings = get_settings()
    sources = enabled_sources(settings)
    _, *command = dbt_command(arguments, assemble_project(settings), dbt_variables(settings, sources))
    # dbt spends a tenth of a build on each log.
    ended = invoke([*command, "--log-level-file", "none"], dbt_environment(settings, as_of_date(settings, sources)))
    if not ended.succeeded:
        sys.exit("\n".join([ended.error, *(str(one["message"]) for one in ended.results if one["message"])]))


def _land_and_build(days: list[str], models: str) -> None:
    from pipelines.settings import get_settings
    from pipelines.sources import enabled_sources
    from pipelines.transform.project import LEFT_TO_TESTS

    settings = get_settings()
    _land(settings, enabled_sources(settings), days)
    build = ["build", "--select", models, "--indirect-selection", "cautious", *LEFT_TO_TESTS]
    _dbt_on_models([*build, "--log-level", "none", "--no-write-json"])


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
