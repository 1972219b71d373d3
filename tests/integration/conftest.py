"""Installations with the demo company's deliveries."""

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from demo_company import __main__ as demo_company
from pipelines.checks.assets import complete_suites
from pipelines.checks.gx.relations import DuckDBTable
from pipelines.checks.suites import load_suites
from pipelines.checks.validation import validate
from pipelines.sources import load_sources
from tests.conftest import PROJECT_DIR, Installation
from tests.integration.postgres import Postgres, running_postgres


def deliver_demo(data_dir: Path, truth: str = "--no-truth", **environment: str) -> Installation:
    """An installation with a small demo company in its landing folder, on which nothing has run yet.

    Most of the time that it takes to make goes into its `--truth`.
    """
    assert demo_company.main(["--scale", "0.01", truth, "--data-dir", str(data_dir)]) == 0
    return Installation(data_dir, environment=environment)


def published_hashes(installation: Installation) -> dict[str, str]:
    """The hash of the Parquet copy of every published mart."""
    folder = installation.data_dir / "published" / "parquet"
    files = sorted(folder.glob("*/*.parquet"))
    assert files, f"nothing published in {folder}"
    return {file.stem: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def failed_staging_checks(installation: Installation, sources: Iterable[str]) -> set[tuple[str, str]]:
    """(model, check) of failures on the staging models of shipped sources; no check of these may end in an error."""
    suites = complete_suites(load_suites(PROJECT_DIR / "expectations"), load_sources(sources, PROJECT_DIR / "company"))
    warehouse = installation.data_dir / "warehouse.duckdb"
    with installation.warehouse():  # opening the file for each suite would take longer than checking it
        checked = [
            result
            for (stage, name), suite in suites.items()
            if stage == "staging" and any(f"_{source}__" in name for source in sources)
            for result in validate(suite, DuckDBTable(warehouse, stage, name))
        ]
    assert [(result.table, result.check, result.error) for result in checked if result.error] == []
    assert len(checked) > 20
    return {(result.table, result.check) for result in checked if not result.passed}


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


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server that runs while the tests of a file do."""
    with running_postgres() as server:
        yield server
