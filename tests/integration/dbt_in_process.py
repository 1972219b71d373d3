"""dbt in this process, on one parsed project: a build costs only its models, not seconds of starting and parsing.

A build can be killed: from a certain statement on, no statement reaches the database, and dbt rolls back what is open.
This is the state that a killed process leaves, between two models or within one.
"""

import gc
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest import mock

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.compilation import Linker
from dbt_common.behavior_flags import BehaviorFlagRendered
from dbt_common.events.base_types import EventMsg

from pipelines.settings import Settings
from pipelines.sources import Source
from pipelines.transform.dbt_runner import parsed_models
from pipelines.transform.project import as_of_date, assemble_project, dbt_environment, dbt_variables
from pipelines.transform.unchanged import Versions, build_what_changed
from tests import dbt_caches, forked

dbt_caches.enable()
QUIET = ["--quiet", "--no-print", "--no-write-json", "--log-level", "none", "--log-level-file", "none"]


class KilledError(Exception):
    """Represents the end of the process."""


class DbtInProcess:
    """The dbt project of `settings`, parsed in another process. Each command takes the warehouse that it works on.

    All warehouse files must have the same name, each in a folder of its own: DuckDB uses it as the catalog name, and
    the parsed models refer to their catalog.
    """

    def __init__(self, settings: Settings, sources: list[Source], is_parsed: bool = False) -> None:
        project_dir = assemble_project(settings)
        self._project = ["--project-dir", str(project_dir), "--profiles-dir", str(project_dir)]
        self._project += ["--vars", json.dumps(dbt_variables(settings, sources))]
        self._environment = dbt_environment(settings, as_of_date(settings, sources))
        self._warehouse, self._raw_dir = settings.warehouse_path, settings.raw_dir
        if not is_parsed:
            with self._environment_of(settings.warehouse_path):
                parsed = forked.dbt(os.environ, ["--no-write-json", "parse", *self._project])
            assert parsed.returncode == 0, parsed.stdout
        self._manifest = parsed_models(settings.dbt_target_dir / "target" / "partial_parse.msgpack")

    @cached_property
    def _content(self) -> dict[str, Any]:
        """What dbt would write to `manifest.json`."""
        content: dict[str, Any] = self._manifest.writable_manifest().to_dict(omit_none=True)
        return content

    def models(self, *selection: str) -> list[str]:
        """Names of the models that remain after `--select` or `--exclude` arguments."""
        with self._environment_of(self._warehouse):
            listed = self._invoke("ls", "--resource-type", "model", "--output", "name", *selection)
        assert listed.success, listed.exception
        return list(listed.result)

    def seed(self, warehouse: Path) -> None:
        """Load the seeds."""
        with self._environment_of(warehouse):
            _assert_success(self._invoke("seed"))

    def run(self, warehouse: Path, models: list[str], *arguments: str, as_of: date | None = None) -> int:
        """Build `models`, by default as of the date on which they were parsed. Return the number of statements."""
        statements = _Statements()
        with self._environment_of(warehouse, as_of):
            _assert_success(self._invoke("run", "--select", " ".join(models), *arguments, statements=statements))
        return statements.count

    def run_changed(self, warehouse: Path, models: list[str]) -> None:
        """Build those of `models` that have changed since this method last built them."""
        names = {unique_id: node["name"] for unique_id, node in self._content["nodes"].items()}
        wanted = [unique_id for unique_id, name in names.items() if name in models]

        def build(unique_ids: list[str]) -> list[str]:
            self.run(warehouse, [names[unique_id] for unique_id in unique_ids])
            return unique_ids

        now = Versions(self._content, "one project", self._environment, self._raw_dir)
        build_what_changed(warehouse, now, wanted, build, "a run")

    def run_and_kill(self, warehouse: Path, models: list[str], after: int) -> bool:
        """Build `models`, and stop after this number of statements. Return whether that was before the end."""
        with self._environment_of(warehouse):
            killed = not self._invoke("run", "--select", " ".join(models), statements=_Statements(after)).success
        gc.collect()  # exceptions keep connections alive, and with them the open transaction of the killed build
        return killed

    def _invoke(self, command: str, *arguments: str, statements: "_Statements | None" = None) -> dbtRunnerResult:
        callbacks = [statements] if statements else []
        threads = ["--threads", "1"] if command == "run" else []
        runner = dbtRunner(manifest=self._manifest, callbacks=callbacks)
        # dbt looks up who set its flags, which nobody reads, and inspects every frame of this test to find out. It also
        # looks for cycles among all models, whatever it is about to build.
        flags_of_dbt = mock.patch.object(BehaviorFlagRendered, "_default_source", return_value="dbt")
        with flags_of_dbt, mock.patch.object(Linker, "find_cycles", return_value=None):
            return runner.invoke([*QUIET, command, *self._project, *threads, *arguments])

    @contextmanager
    def _environment_of(self, warehouse: Path, as_of: date | None = None) -> Iterator[None]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("KPI_", "DBT_"))}
        own = {**self._environment, "KPI_WAREHOUSE": str(warehouse)}
        if as_of:
            own["KPI_AS_OF_DATE"] = str(as_of)
        with mock.patch.dict(os.environ, {**inherited, **own}, clear=True):
            yield
        DuckDBConnectionManager.close_all_connections()  # otherwise the file stays open until dbt needs another one


class _Statements:
    """Counts the statements that dbt is about to execute, and refuses all after the first `last`."""

    def __init__(self, last: int | None = None) -> None:
        self.count = 0
        self._last = last

    def __call__(self, event: EventMsg) -> None:
        if event.info.name == "SQLQuery":
            self.count += 1
            if self._last is not None and self.count > self._last:
                raise KilledError(f"killed after {self._last} statements")


def _assert_success(result: dbtRunnerResult) -> None:
    failed = [f"{one.node.name}: {one.message}" for one in result.result or [] if one.status != "success"]
    assert result.success, "\n".join([str(result.exception or ""), *failed])
