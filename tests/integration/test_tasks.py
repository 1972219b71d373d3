"""The tasks of docs/connect/tasks.md, each from nothing to a scorecard, run exactly as written there.

`make test` runs them up to `kpi run`: what they draft. `make test-nightly` runs them to their end.
"""

import csv
import os
import re
import shlex
from pathlib import Path

import duckdb
import pytest
from openpyxl import Workbook

from tests import forked
from tests.conftest import PROJECT_DIR

PAGE = (PROJECT_DIR / "docs" / "connect" / "tasks.md").read_text(encoding="utf-8")
# Each task to its end costs a whole run. What follows the drafts is tested daily in parts: the numbers of drafts of
# each kind (`test_corpus.py`), marts of synced tables (`test_synced.py`), and a run and its scorecard.
TASKS = {section.partition("\n")[0]: section for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]}


def words(text: str) -> str:
    """The text without its line breaks and the spaces that align columns."""
    return " ".join(text.split())


class Reader:
    """A person at a terminal who does what a task says, block by block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("KPI_", "DAGSTER_"))}
        self.environment = {**inherited, "COLUMNS": "200"}
        self.environment.pop("DATA_DIR", None)

    def write(self, name: str, content: str) -> None:
        """Write a file that the task shows; a workbook from its rows."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix != ".xlsx":
            path.write_text(content, encoding="utf-8")
            return
        workbook = Workbook()
        sheet = workbook.active
        assert sheet is not None
        for row in csv.reader(content.splitlines()):
            sheet.append([float(cell) if cell.isdigit() else cell or None for cell in row])
        workbook.save(path)

    def add_settings(self, lines: str) -> None:
        """Add lines to the settings."""
        with (self.folder / "kpi.yml").open("a", encoding="utf-8") as file:
            file.write(lines)

    def run(self, command: str) -> str:
        """Run a command, and return what it prints."""
        program, *arguments = shlex.split(command)
        if program == "cd":
            self.folder /= arguments[0]
        elif program == "export":
            name, _, value = arguments[0].partition("=")
            self.environment[name] = value
        elif program == "duckdb":
            with duckdb.connect(str(self.folder / arguments[0])) as database:
                database.execute((self.folder / arguments[2]).read_text(encoding="utf-8"))
        else:
            assert program == "kpi"
            finished = forked.kpi(self.environment, arguments, self.folder)
            assert finished.returncode == 0, f"{command}\n{finished.stdout}\n{finished.stderr}"
            return finished.stdout + finished.stderr
        return ""


@pytest.mark.nightly
@pytest.mark.parametrize("title", TASKS)
def test_the_task_is_as_told(title: str, tmp_path: Path) -> None:
    do(TASKS[title], tmp_path)


@pytest.mark.parametrize("title", TASKS)
def test_the_task_is_as_told_up_to_its_run(title: str, tmp_path: Path) -> None:
    before, run, _ = TASKS[title].partition("$ kpi run\n")
    assert run
    do(f"{before}```\n", tmp_path)


def do(task: str, folder: Path) -> None:
    """Do what a task says, block by block."""
    reader = Reader(folder)
    found = re.findall(r"(?:^`([^`\n]+)`:\n\n)?^```(\w+)\n(.*?)^```", task, re.DOTALL | re.MULTILINE)
    assert {"csv", "sql"} & {kind for _, kind, _ in found}
    for name, kind, content in found:
        if name:
            reader.write(name, content)
        elif kind == "yaml":
            reader.add_settings(content)
        else:
            assert kind == "console"
            follow(reader, content.splitlines())


def follow(reader: Reader, lines: list[str]) -> None:
    """Run each command, and look for the lines below it in what it prints. `…` stands for anything."""
    printed = command = ""
    for line in lines:
        if line.startswith("$ "):
            command = line.removeprefix("$ ")
            printed = words(reader.run(command))
        else:
            parts = [re.escape(part) for part in words(line).split("…")]
            assert re.search(".*".join(parts), printed), f"{command}\n{line}\n{printed}"
