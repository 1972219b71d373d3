"""Fixtures shared by all tests: installations in a folder of their own, and the command line on them."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest
from hypothesis import Phase, settings

from tests import forked

PROJECT_DIR = Path(__file__).resolve().parent.parent
REAL_DATA_DIR = Path(os.environ.get("REAL_DATA_DIR") or PROJECT_DIR.parent / "shared" / "datasets")

# Daily examples are the same everywhere, and the first that fails is shown as it is. Nightly ones are new each time;
# what fails is made as small as five minutes allow and printed with what brings it back.
settings.register_profile(
    "daily", max_examples=20, derandomize=True, database=None, deadline=None, phases=[Phase.generate]
)
settings.register_profile("nightly", max_examples=200, database=None, deadline=None, print_blob=True)
settings.load_profile("daily")  # `pytest --hypothesis-profile nightly` overrides it


@dataclass(frozen=True)
class Installation:
    """A pipeline with a data folder and settings of its own."""

    data_dir: Path
    config: Path = PROJECT_DIR / "kpi.yml"
    environment: dict[str, str] = field(default_factory=dict)

    def kpi(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the `kpi` command; unless `check` is False, a failure fails the test with what it printed."""
        return _checked(forked.kpi(self.variables(), arguments), check)

    def dbt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run dbt on the models, as `kpi dbt` does."""
        return _checked(forked.dbt_on_models(self.variables(), arguments))

    def python(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Python with this installation's settings, in a process of its own."""
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
        """Run Python code with this installation's settings, in a process that has the pipeline imported already."""
        return _checked(forked.python(self.variables(), code))

    def variables(self) -> dict[str, str]:
        """The environment of its commands."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("KPI_", "DAGSTER_"))}
        return {**inherited, "DATA_DIR": str(self.data_dir), "KPI_CONFIG": str(self.config), **self.environment}

    def build(self, *days: str, models: str = "*") -> None:
        """Land deliveries, by default all, and build the models that dbt selects so, by default all.

        It is the job without Dagster, checks and publication.
        """
        _checked(forked.land_and_build(self.variables(), days, models))

    def published(self) -> duckdb.DuckDBPyConnection:
        """The published file, opened for reading."""
        return duckdb.connect(str(self.data_dir / "published" / "kpi.duckdb"), read_only=True)

    def warehouse(self) -> duckdb.DuckDBPyConnection:
        """The warehouse, opened for reading."""
        return duckdb.connect(str(self.data_dir / "warehouse.duckdb"), read_only=True)

    def assert_published(self, mart: str) -> None:
        """What analysts read of a mart is what was built of it, and something."""
        with self.published() as published, self.warehouse() as warehouse:
            rows = f"from marts.{mart} order by all"
            assert published.execute(rows).fetchall() == warehouse.execute(rows).fetchall() != []


def _checked(finished: subprocess.CompletedProcess[str], check: bool = True) -> subprocess.CompletedProcess[str]:
    if check:
        assert finished.returncode == 0, f"{finished.args}\n{finished.stdout}\n{finished.stderr}"
    return finished


@pytest.fixture(scope="session")
def real_data_dir() -> Path:
    """The folder of real data sets; tests that need it are skipped where it is absent."""
    if not REAL_DATA_DIR.is_dir():
        pytest.skip(f"{REAL_DATA_DIR} is not there. Set REAL_DATA_DIR to the folder of real data sets.")
    return REAL_DATA_DIR


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep on one worker what shares an installation: tests of the loaded demo company, and else those of one file."""
    for item in items:
        needs_demo = "demo" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("demo" if needs_demo else item.nodeid.split("::")[0]))
