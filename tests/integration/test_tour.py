"""The week of docs/tour.md, lived as it stands there."""

import re
import shlex
from pathlib import Path

from tests.conftest import PROJECT_DIR, Installation

TOUR = (PROJECT_DIR / "docs" / "tour.md").read_text(encoding="utf-8")


def steps() -> list[tuple[str, int, list[str]]]:
    """Every command of the tour with the exit code it announces, 0 if none, and the lines shown of what it prints."""
    found: list[tuple[str, int, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```", TOUR, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            if line.startswith("$ "):
                command, _, code = line.removeprefix("$ ").partition("  # exit code ")
                found.append((command, int(code or 0), []))
            else:
                found[-1][2].append(line)
    return found


def words(text: str) -> str:
    """The text without its line breaks, which depend on the terminal."""
    return " ".join(text.split())


def test_the_tour_is_as_told(tmp_path: Path) -> None:
    # Three of the five sources tell the same story in half the time.
    here = Installation(tmp_path / "data", environment={"KPI_SOURCES": "shop,ads,finance", "COLUMNS": "200"})
    for command, code, shown in steps():
        program, *arguments = shlex.split(command)
        if program == "kpi":
            finished = here.kpi(*arguments, check=False)
        else:
            assert program == "python"
            finished = here.python(*arguments, check=False)
        printed = words(finished.stdout + finished.stderr)
        assert finished.returncode == code, f"{command}\n{finished.stdout}\n{finished.stderr}"
        for line in shown:
            parts = [re.escape(part) for part in words(line).split("…")]
            assert re.search(".*".join(parts), printed), f"{command}\n{line}\n{finished.stdout}\n{finished.stderr}"
