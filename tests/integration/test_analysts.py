"""The commands of docs/analysts.md, run on the demo company, print what the page shows."""

import re
import shlex

import pytest

from tests.conftest import PROJECT_DIR, Installation

PAGE = PROJECT_DIR / "docs" / "analysts.md"


def commands() -> list[tuple[str, list[str]]]:
    """Every command of the page's console blocks, with the lines that the page shows of its output."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            else:
                found[-1][1].append(line)
    return found


def test_the_page_has_commands_and_shows_what_they_print() -> None:
    assert len(commands()) >= 4
    assert [command for command, shown in commands() if not shown] == []


@pytest.mark.parametrize(("command", "shown"), commands(), ids=[command for command, _ in commands()])
def test_a_command_prints_what_the_page_shows(untouched_demo: Installation, command: str, shown: list[str]) -> None:
    """Lines are compared in order. A line `…` stands for any lines, and at the end of a line for the rest of it."""
    program, *arguments = shlex.split(command)
    assert program == "kpi"
    printed = [line.rstrip() for line in untouched_demo.kpi(*arguments).stdout.splitlines()]
    position, may_skip = 0, False
    for line in (line.rstrip() for line in shown):
        if line == "…":
            may_skip = True
            continue
        rest = printed[position:] if may_skip else printed[position : position + 1]
        at = next((at for at, one in enumerate(rest) if _agree(line, one)), None)
        assert at is not None, f"{line!r} is not printed where the page shows it:\n" + "\n".join(printed)
        position, may_skip = position + at + 1, False


def _agree(shown: str, printed: str) -> bool:
    return printed.startswith(shown[:-1].rstrip()) if shown.endswith("…") else printed == shown
