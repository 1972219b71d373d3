"""`kpi plan` prints for people, for code reviews and for programs; its exit code says what was asked for."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from pipelines.answers.differences import differences
from pipelines.cli import app, published
from pipelines.operations import plan as planning
from pipelines.operations.plan import Plan
from pipelines.publish.versions import Version
from pipelines.settings import get_settings
from tests.unit.answers.scorecards import COMPANY, JANUARY, Scorecard

BEFORE = Scorecard({(JANUARY, "revenue", "net", *COMPANY): 100})
AFTER = replace(BEFORE, values={(JANUARY, "revenue", "net", *COMPANY): 90}, excluded='["returned"]')


@pytest.fixture(autouse=True)
def printing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setattr(published, "console", Console(highlight=False, soft_wrap=True))
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """What the command finds: one changed cell, and two days that have landed since the publication."""
    files = BEFORE.write(tmp_path / "old.duckdb"), AFTER.write(tmp_path / "new.duckdb")
    version = Version("20250315T080000Z-a", datetime(2025, 3, 15, 8), date(2025, 3, 15), "run", is_current=True)
    plan = Plan(version, differences(*files), [date(2025, 3, 16), date(2025, 3, 17)], ["web.orders"], "")
    monkeypatch.setattr(planning, "plan", lambda *_: plan)
    return plan


def kpi_plan(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["plan", *arguments])


@pytest.mark.usefixtures("found")
def test_people_read_what_is_compared_and_what_differs() -> None:
    printed = kpi_plan().stdout
    lines = printed.splitlines()
    assert lines[0].startswith("The present settings and models, compared with the publication 20250315T080000Z-a, ")
    assert lines[1] == "Delivery days that are not published yet are left out on both sides: 2025-03-16, 2025-03-17."
    assert lines[2] == "New, and not in the publication: web.orders."
    assert lines[4] == 'Setting excluded: ["cancelled"] before, ["returned"] now.'
    assert "net, 2025-01, company: 100.00 → 90.00" in printed


@pytest.mark.usefixtures("found")
def test_a_code_review_reads_markdown(tmp_path: Path) -> None:
    printed = kpi_plan("--format", "markdown").stdout
    assert printed.startswith("### What this change does to published numbers\n\nThe present settings")
    assert "| revenue | 1 |  |  |  | net, 2025-01, company: 100.00 → 90.00 | definition |" in printed
    assert kpi_plan("--output", str(tmp_path / "plan.md")).exit_code == 0
    assert (tmp_path / "plan.md").read_text(encoding="utf-8") == printed


@pytest.mark.usefixtures("found")
def test_programs_read_cells(tmp_path: Path) -> None:
    [cell] = json.loads(kpi_plan("--format", "json").stdout)
    assert (cell["period"], cell["value_before"], cell["value_after"], cell["cause"]) == (
        "2025-01", 100, 90, "definition"
    )  # fmt: skip
    assert kpi_plan("--output", str(tmp_path / "cells.csv")).exit_code == 0
    assert (tmp_path / "cells.csv").read_text(encoding="utf-8").startswith("kpi_id,variant,unit,grain,")


def test_the_exit_code(found: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (kpi_plan().exit_code, kpi_plan("--exit-code").exit_code) == (0, 1)
    same = replace(found, differences=replace(found.differences, cells=[]))
    monkeypatch.setattr(planning, "plan", lambda *_: same)
    assert kpi_plan("--exit-code").exit_code == 0
    assert "No cell of the scorecard would change." in kpi_plan().stdout
    failing = replace(same, failed_tests="assert_periods_add_up: 3 rows.")
    monkeypatch.setattr(planning, "plan", lambda *_: failing)
    failed = kpi_plan()
    assert failed.exit_code == 1
    assert "publish nothing until these tests of the models pass. assert_periods_add_up: 3 rows." in failed.stdout


def test_before_the_first_publication_there_is_nothing_to_plan() -> None:
    refused = kpi_plan()
    assert (refused.exit_code, refused.stderr.splitlines()[-1]) == (
        1, "Nothing has been published yet. Run `kpi run` first."
    )  # fmt: skip
