"""The tour's commands exist, and its deliveries arrive as described; `tests/nightly/test_tour.py` runs all of it."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from demo_company.__main__ import main
from pipelines.cli import app
from tests.conftest import PROJECT_DIR

TOUR = (PROJECT_DIR / "docs" / "tour.md").read_text(encoding="utf-8")


def steps() -> list[tuple[str, int, list[str]]]:
    """Every command of the tour with the announced exit code, 0 if there is none, and the lines shown of its output."""
    found: list[tuple[str, int, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```", TOUR, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            if line.startswith("$ "):
                command, _, code = line.removeprefix("$ ").partition("  # exit code ")
                found.append((command, int(code or 0), []))
            else:
                found[-1][2].append(line)
    return found


def test_every_kpi_command_of_the_tour_can_be_parsed() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for command, _, _ in steps():
        program, name, *arguments = shlex.split(command)
        if program == "kpi":
            commands[name].make_context(name, arguments)  # raises if an argument or option is unknown


@pytest.mark.nightly
def test_the_demo_company_delivers_as_the_tour_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command, code, shown in steps():
        program, *arguments = shlex.split(command)
        if program == "python":
            assert main([*arguments[2:], "--data-dir", str(tmp_path)]) == code, command
            printed = capsys.readouterr().out
            for line in shown:
                assert line in printed, command
