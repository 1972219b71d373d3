"""Fixtures shared by all tests: installations in folders of their own, and the command line to use them."""

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest
from alembic.script import ScriptDirectory
from hypothesis import Phase, settings

from demo_company import __main__ as demo_company
from tests import forked

if TYPE_CHECKING:
    from tests.faults.object_store import Proxy, Store

PROJECT_DIR = Path(__file__).resolve().parent.parent
REAL_DATA_DIR = Path(os.environ.get("REAL_DATA_DIR") or PROJECT_DIR.parent / "shared" / "datasets")

# Daily examples are the same everywhere, and the first failure is shown unchanged. Nightly examples are new each time.
# A failure is then reduced for up to five minutes, and printed with the code that reproduces it.
settings.register_profile(
    "daily", max_examples=20, derandomize=True, database=None, deadline=None, phases=[Phase.generate]
)
settings.register_profile("nightly", max_examples=200, database=None, deadline=None, print_blob=True)
settings.load_profile("daily")  # `pytest --hypothesis-profile nightly` overrides it

# Dagster reads all migrations of its tables for each instance. There are hundreds of instances in these processes.
ScriptDirectory.from_config = cache(ScriptDirectory.from_config)


@dataclass(frozen=True)
class Installation:
    """A pipeline with its own data folder and settings."""

    data_dir: Path
    config: Path = PROJECT_DIR / "kpi.yml"
    environment: dict[str, str] = field(default_factory=dict)

    def kpi(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the `kpi` command. Unless `check` is False, a failure fails the test and shows what was printed."""
        return _checked(forked.kpi(self.variables(), arguments), check)

    def dbt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run dbt on the models, as `kpi dbt` does."""
        return _checked(forked.dbt_on_models(self.variables(), arguments))

    def python(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Python with this installation's settings in a new process."""
        finished = subprocess.run(
            [sys.executable, *arguments],
            cwd=PROJECT_DIR,
            env=self.variables(),
            capture_output=True,
            text=True,
            check=False,
        )
        return _checked(finished, check)

    def forked_python(self, code: str) -> subprocess.CompletedProcess[str]:
        """Run Python code with this installation's settings in a process that has already imported the pipeline."""
        return _checked(forked.python(self.variables(), code))

    def variables(self) -> dict[str, str]:
        """The environment of its commands."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("KPI_", "DAGSTER_"))}
        engine = {"KPI_ENGINE": forked.ENGINE} if forked.ENGINE != "duckdb" else {}
        own = {"DATA_DIR": str(self.data_dir), "KPI_CONFIG": str(self.config)}
        return {**inherited, **own, **engine, **self.environment}

    def build(self, *days: str, models: str = "*") -> None:
        """Land deliveries, by default all, and build the models that `models` selects in dbt, by default all.

        This is the job without Dagster, checks and publication.
        """
        _checked(forked.land_and_build(self.variables(), days, models))

    def published(self) -> duckdb.DuckDBPyConnection:
        """The published file, opened for reading."""
        return duckdb.connect(str(self.data_dir / "published" / "kpi.duckdb"), read_only=True)

    def warehouse(self) -> duckdb.DuckDBPyConnection:
        """The warehouse, opened for reading."""
        return duckdb.connect(str(self.data_dir / "warehouse.duckdb"), read_only=True)

    def assert_published(self, mart: str) -> None:
        """Assert that what analysts read of a mart is what was built, and that it is not empty."""
        with self.published() as published, self.warehouse() as warehouse:
            rows = f"from marts.{mart} order by all"
            assert published.execute(rows).fetchall() == warehouse.execute(rows).fetchall() != []


def _checked(finished: subprocess.CompletedProcess[str], check: bool = True) -> subprocess.CompletedProcess[str]:
    if check:
        assert finished.returncode == 0, f"{finished.args}\n{finished.stdout}\n{finished.stderr}"
    return finished


def deliver_demo(data_dir: Path, truth: str = "--no-truth", **environment: str) -> Installation:
    """An installation with a small demo company in its landing folder, on which nothing has run yet.

    Most of the time that it takes to make goes into its `--truth`.
    """
    assert demo_company.main(["--scale", "0.01", truth, "--data-dir", str(data_dir)]) == 0
    return Installation(data_dir, environment=environment)


@pytest.fixture(scope="session")
def real_data_dir() -> Path:
    """The folder of real data sets. Tests that need it are skipped if it does not exist."""
    if not REAL_DATA_DIR.is_dir():
        pytest.skip(f"{REAL_DATA_DIR} is not there. Set REAL_DATA_DIR to the folder of real data sets.")
    return REAL_DATA_DIR


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The demo company after `kpi run`: 22 months in one delivery, then 60 daily deliveries, loaded in one run."""
    installation = deliver_demo(tmp_path_factory.mktemp("demo"), "--truth")
    printed = installation.kpi("run").stdout
    assert "61 delivery days, 2025-11-10 to 2026-01-09 (first load, one run)" in printed
    shutil.copytree(installation.data_dir, _as_loaded(installation), symlinks=True)
    return installation


def _as_loaded(demo: Installation) -> Path:
    return demo.data_dir.with_name(f"{demo.data_dir.name}_as_loaded")


@pytest.fixture(scope="session")
def untouched_demo(demo: Installation) -> Installation:
    """The demo company as its first load left it, whatever other tests do with `demo`. Nobody changes it."""
    return replace(demo, data_dir=_as_loaded(demo))


@pytest.fixture(scope="session")
def running_servers() -> "Iterator[tuple[Store, Proxy]]":
    """An S3 server and a proxy before it. There is one in each process, since moto's servers share their buckets."""
    from tests.faults.object_store import serving  # takes a second, and few tests need it

    with serving() as found:
        yield found


def pytest_collection_finish() -> None:
    """Let Python look for garbage as rarely as `kpi` does: looking at all that is imported took a tenth of the time."""
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that share an installation on one worker: those of the loaded demo company, or else of one file."""
    for item in items:
        needs_demo = "demo" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("demo" if needs_demo else item.nodeid.split("::")[0]))
