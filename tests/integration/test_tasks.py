"""The tasks of docs/connect/tasks.md, each from nothing to a scorecard, run exactly as written there."""

import os
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import forked
from tests.conftest import PROJECT_DIR

PAGE = (PROJECT_DIR / "docs" / "connect" / "tasks.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Task:
    """One section: its files, and its commands with the lines shown of what they print."""

    title: str
    files: dict[str, str]
    steps: list[tuple[str, list[str]]] = field(default_factory=list)


def tasks() -> list[Task]:
    found = []
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        files = dict(re.findall(r"^`([^`\n]+)`:\n\n```csv\n(.*?)^```", section, re.DOTALL | re.MULTILINE))
        task = Task(section.partition("\n")[0], files)
        for block in re.findall(r"^```console\n(.*?)^```", section, re.DOTALL | re.MULTILINE):
            for line in block.splitlines():
                if line.startswith("$ "):
                    task.steps.append((line.removeprefix("$ "), []))
                else:
                    task.steps[-1][1].append(line)
        found.append(task)
    return found


def words(text: str) -> str:
    """The text without its line breaks and the spaces that align columns."""
    return " ".join(text.split())


@pytest.mark.parametrize("task", tasks(), ids=lambda task: task.title)
def test_the_task_is_as_told(task: Task, tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KPI_", "DAGSTER_", "DATA_DIR"))}
    for name, content in task.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    here = tmp_path
    assert len(task.steps) >= 4
    for command, shown in task.steps:
        program, *arguments = shlex.split(command)
        if program == "cd":
            here /= arguments[0]
            continue
        assert program == "kpi"
        finished = forked.kpi({**kept, "COLUMNS": "200"}, arguments, here)
        printed = words(finished.stdout + finished.stderr)
        assert finished.returncode == 0, f"{command}\n{finished.stdout}\n{finished.stderr}"
        for line in shown:
            parts = [re.escape(part) for part in words(line).split("…")]
            assert re.search(".*".join(parts), printed), f"{command}\n{line}\n{finished.stdout}\n{finished.stderr}"
