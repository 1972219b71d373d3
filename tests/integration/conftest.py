"""What tests of whole installations share: what was published, which checks failed, and a database."""

import hashlib
from collections.abc import Iterable, Iterator

import pytest

from pipelines.checks.assets import complete_suites
from pipelines.checks.gx.relations import DuckDBTable
from pipelines.checks.suites import load_suites
from pipelines.checks.validation import validate
from pipelines.sources import load_sources
from tests.conftest import PROJECT_DIR, Installation
from tests.integration.postgres import Postgres, running_postgres


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


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server that runs while the tests of a file do."""
    with running_postgres() as server:
        yield server
