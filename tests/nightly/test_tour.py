"""The week of docs/tour.md, run exactly as written there."""

import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import Installation
from tests.unit.test_tour import steps


def words(text: str) -> str:
    """The text without its line breaks, which depend on the terminal."""
    return " ".join(text.split())


@pytest.mark.nightly
def test_the_tour_is_as_told(tmp_path: Path) -> None:
    # Three of the five sources are enough, and take half the time.
    here = Installation(tmp_path / "data", environment={"KPI_SOURCES": "shop,ads,finance", "COLUMNS": "200"})
    for command, code, shown in steps():
        program, *arguments = shlex.split(command)
        assert program in ("kpi", "python")
        finished = here.python(*(["-m", "pipelines"] if program == "kpi" else []), *arguments, check=False)
        printed = words(finished.stdout + finished.stderr)
        assert finished.returncode == code, f"{command}\n{finished.stdout}\n{finished.stderr}"
        for line in shown:
            parts = [re.escape(part) for part in words(line).split("…")]
            assert re.search(".*".join(parts), printed), f"{command}\n{line}\n{finished.stdout}\n{finished.stderr}"
