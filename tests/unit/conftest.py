"""Fixtures shared by unit tests."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from pipelines import database as databases
from tests.integration.postgres import Postgres, running_postgres

DATABASE_ENV = "KPI_DATABASE"


@pytest.fixture(scope="session")
def new_dagster_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Dagster instance without history, to be copied: creating one takes longer than most tests."""
    home = tmp_path_factory.mktemp("new_dagster")
    with dg.DagsterInstance.local_temp(str(home)):
        return home


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of files that say `RECORDS_IN_BOTH` with records in SQLite files, and in PostgreSQL."""
    if "database" in metafunc.fixturenames and getattr(metafunc.module, "RECORDS_IN_BOTH", False):
        by_itself = [mark for mark in metafunc.definition.iter_markers("parametrize") if mark.args[0] == "database"]
        if not by_itself:
            metafunc.parametrize("database", [None, "postgresql"], indirect=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for the records of all unit tests."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """The URL of an empty database for records, in the environment variable `KPI_DATABASE`; None for SQLite files."""
    if getattr(request, "param", None) is None:
        monkeypatch.delenv(DATABASE_ENV, raising=False)
        return None
    server: Postgres = request.getfixturevalue("postgres")
    schemas = [*databases.SCHEMAS, "kpi_writer"]
    server.execute("postgres", f"drop schema if exists {', '.join(schemas)} cascade")
    databases._created.clear()
    monkeypatch.setenv(DATABASE_ENV, server.url("postgres"))
    return server.url("postgres")
