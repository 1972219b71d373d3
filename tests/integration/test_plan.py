"""`kpi plan` lists exactly the cells in which a clean build with the changed settings or SQL differs."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.conftest import PROJECT_DIR, Installation

pytestmark = pytest.mark.nightly  # each builds everything anew, twice

KEY = ("grain", "period_start", "kpi_id", "variant", "entity_type", "entity_id")
MORE_EXCLUDED = {"KPI_KPIS__EXCLUDED_ORDER_STATUSES": '["cancelled", "canceled", "placed"]'}
Scorecard = dict[tuple[Any, ...], dict[str, Any]]


def scorecard(connection: duckdb.DuckDBPyConnection) -> Scorecard:
    """Every row of the scorecard by its key."""
    found = connection.execute("select * from marts.kpi_scorecard")
    names = [column[0] for column in found.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    return {tuple(str(row[name]) for name in KEY): row for row in rows}


@pytest.fixture(scope="module")
def plan(untouched_demo: Installation) -> list[dict[str, Any]]:
    """The cells that change once another status of orders is excluded."""
    before = sorted(path.name for path in untouched_demo.data_dir.iterdir())
    changed = replace(untouched_demo, environment=MORE_EXCLUDED)
    printed = changed.kpi("plan", "--format", "json", "--exit-code", check=False)
    assert printed.returncode == 1, printed.stderr
    assert sorted(path.name for path in untouched_demo.data_dir.iterdir()) == sorted({*before, "plan.duckdb"})
    return list(json.loads(printed.stdout))


def test_a_changed_setting_lists_the_cells_in_which_a_clean_build_differs(
    untouched_demo: Installation, plan: list[dict[str, Any]], tmp_path: Path
) -> None:
    shutil.copytree(untouched_demo.data_dir / "landing", tmp_path / "landing")
    clean = Installation(tmp_path, environment=MORE_EXCLUDED)
    clean.build()
    with untouched_demo.published() as published, clean.warehouse() as built:
        before, after = scorecard(published), scorecard(built)
    assert before.keys() == after.keys()
    expected = {key: (before[key]["value"], after[key]["value"]) for key in before if before[key] != after[key]}
    listed = {tuple(cell[name] for name in KEY): cell for cell in plan}
    assert listed.keys() == expected.keys()
    assert len(listed) == len(plan) > 100
    for key, (old, new) in expected.items():
        cell = listed[key]
        assert (cell["change"] == "changed") == (old != new)
        assert cell["value_before"] == pytest.approx(None if old is None else float(old))
        assert cell["value_after"] == pytest.approx(None if new is None else float(new))
        assert cell["cause"] == "definition"
    assert {"revenue", "clv"} <= {cell["kpi_id"] for cell in plan if cell["change"] == "changed"}


def test_a_comment_changes_nothing(untouched_demo: Installation, tmp_path: Path) -> None:
    edited = tmp_path / "dbt_project"
    shutil.copytree(PROJECT_DIR / "dbt_project", edited, ignore=shutil.ignore_patterns("target", "logs"))
    model = edited / "models" / "intermediate" / "int_counted_orders.sql"
    model.write_text(f"-- Only a comment.\n\n{model.read_text(encoding='utf-8')}\n-- And another.", encoding="utf-8")
    macro = edited / "macros" / "scorecard.sql"
    macro.write_text(f"{{# Only a comment. #}}\n{macro.read_text(encoding='utf-8')}", encoding="utf-8")
    printed = untouched_demo.forked_python(
        f"""
from pathlib import Path
import pipelines.transform.project as project
from pipelines.cli import app
project.SHIPPED_PROJECT_DIR = Path({str(edited)!r})
app(["plan", "--exit-code"])
"""
    ).stdout
    assert "No cell of the scorecard would change." in printed
    assert "Defined differently" not in printed


def test_a_dry_run_of_what_is_published_changes_nothing(untouched_demo: Installation) -> None:
    tried = untouched_demo.kpi("sources", "check", "shop", "--date", "2026-01-09", check=False).stdout
    assert "lands    shop.orders 2026-01-09:" in tried
    assert "No KPI would change." in tried
