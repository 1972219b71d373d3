"""Fixtures shared by unit tests."""

from pathlib import Path

import dagster as dg
import pytest


@pytest.fixture(scope="session")
def new_dagster_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Dagster instance without history, to be copied: creating one takes longer than most tests."""
    home = tmp_path_factory.mktemp("new_dagster")
    with dg.DagsterInstance.local_temp(str(home)):
        return home
