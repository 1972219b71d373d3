"""`kpi versions`, `kpi diff` and `kpi rollback` on small publications."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from pipelines.cli import app, published
from pipelines.settings import get_settings
from tests.unit.answers.scorecards import COMPANY, FEBRUARY, JANUARY, WEB, Scorecard

FIRST = Scorecard({(JANUARY, "revenue", "net", *COMPANY): 100, (JANUARY, "revenue", "net", *WEB): 40})
CORRECTED = replace(
    FIRST, values={**FIRST.values, (JANUARY, "revenue", "net", *COMPANY): 90}, deliveries={date(2025, 3, 15): "b"}
)
REDEFINED = replace(
    CORRECTED, values={**CORRECTED.values, (FEBRUARY, "revenue", "net", *COMPANY): 7}, excluded='["returned"]'
)


@pytest.fixture(autouse=True)
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The commands read this folder, and print to what captures them."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setattr(published, "console", Console(highlight=False, soft_wrap=True))
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder with three publications: the second corrects data, the third has another definition."""
    for number, scorecard in enumerate((FIRST, CORRECTED, REDEFINED), start=1):
        folder = tmp_path / "publications" / f"2025031{number}T080000Z-{number}"
        folder.mkdir(parents=True)
        scorecard.write(folder / "kpi.duckdb")
        manifest = {
            "publication_id": folder.name,
            "published_at": f"2025-03-1{number} 08:00:00",
            "as_of_date": str(scorecard.as_of),
            "run_id": f"run {number}",
        }
        (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (tmp_path / "published").symlink_to(folder)
    return tmp_path


def kpi(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def cells(printed: str) -> list[tuple[str, ...]]:
    names = ("period", "entity_id", "change", "value_before", "value_after", "cause")
    return [tuple(row[name] for name in names) for row in csv.DictReader(io.StringIO(printed))]


@pytest.mark.usefixtures("data_dir")
def test_versions_say_how_much_each_changed() -> None:
    third, second, first = kpi("versions").output.splitlines()
    assert third == (
        "20250313T080000Z-3  as of 2025-03-15  published 2025-03-13 09:00 CET  0 cells changed, 1 created, 0 gone, "
        "2 measures defined differently  <- analysts read this one"
    )
    assert second.endswith("  1 cell changed, 0 created, 0 gone")
    assert first.endswith("published 2025-03-11 09:00 CET")
    newest, _, oldest = json.loads(kpi("versions", "--format", "json").output)
    assert (newest["cells_created"], newest["definitions_changed"], oldest["cells_changed"]) == (1, 2, None)


@pytest.mark.usefixtures("data_dir")
def test_the_current_publication_is_compared_with_the_one_before() -> None:
    printed = kpi("diff", "--format", "csv")
    assert printed.exit_code == 0
    assert cells(printed.output) == [("2025-02", "company", "created", "", "7", "definition")]


@pytest.mark.usefixtures("data_dir")
def test_any_two_can_be_compared_by_the_beginnings_of_their_ids() -> None:
    printed = kpi("diff", "20250311", "20250312", "--format", "json")
    [cell] = json.loads(printed.output)
    assert (cell["value_before"], cell["value_after"], cell["difference"], cell["relative"]) == (100, 90, -10, -0.1)
    assert cell["cause"] == "data"
    [back] = cells(kpi("diff", "20250312", "20250311", "--format", "csv").output)
    assert back[2:5] == ("changed", "90", "100")
    since_the_first = cells(kpi("diff", "20250311", "--format", "csv").output)
    assert [cell[0] for cell in since_the_first] == ["2025-01", "2025-02"]  # 10 is more than 7


@pytest.mark.usefixtures("data_dir")
def test_people_read_which_publications_they_are_and_what_they_are_made_from() -> None:
    lines = kpi("diff", "20250311", "20250312").output.splitlines()
    assert lines[:3] == [
        "before  20250311T080000Z-1  as of 2025-03-15  published 2025-03-11 09:00 CET",
        "after   20250312T080000Z-2  as of 2025-03-15  published 2025-03-12 09:00 CET",
        "Made from other deliveries of shop.orders.",
    ]
    assert any("│ revenue (net) │ 2025-01 │ company │ 100.00 │ 90.00 │ -10.0% │ data  │" in line for line in lines), (
        lines
    )


@pytest.mark.usefixtures("data_dir")
def test_the_exit_code_tells_whether_they_differ_if_it_is_asked_for() -> None:
    assert kpi("diff").exit_code == 0
    assert kpi("diff", "--exit-code").exit_code == 1
    assert kpi("diff", "--exit-code", "--kpi", "nps").exit_code == 0
    assert "No cell of nps differs." in kpi("diff", "--kpi", "nps").output
    assert kpi("diff", "20250311", "20250311", "--exit-code").exit_code == 0


def test_cells_are_written_to_a_file(data_dir: Path) -> None:
    file = data_dir / "cells.csv"
    assert kpi("diff", "--output", str(file)).exit_code == 0
    assert len(cells(file.read_text(encoding="utf-8"))) == 1
    refused = kpi("diff", "--output", str(data_dir / "cells.parquet"))
    assert (refused.exit_code, refused.stderr) == (
        2, "Cells are written as csv, json or xlsx. Name the file so, or use --format csv.\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("diff", "2024"), "No publication has an id that begins with 2024. Publications kept: 20250313T080000Z-3, "),
        (("diff", "2025"), "More than one publication has an id that begins with 2025. Publications kept: "),
        (
            ("diff", "--kpi", "revenu"),
            "--kpi 'revenu' is not published. Did you mean revenue? Published: nps, revenue.",
        ),
    ],
)
@pytest.mark.usefixtures("data_dir")
def test_what_is_not_there_is_named_with_what_is(arguments: tuple[str, ...], message: str) -> None:
    refused = kpi(*arguments)
    assert (refused.exit_code, message in refused.stderr) == (2, True), refused.stderr


@pytest.mark.usefixtures("data_dir")
def test_after_a_rollback_the_current_publication_is_compared_with_the_one_before_it() -> None:
    assert kpi("rollback").output.startswith("Analysts now read 20250312T080000Z-2, as of 2025-03-15.")
    assert [cell[:3] for cell in cells(kpi("diff", "--format", "csv").output)] == [("2025-01", "company", "changed")]
    assert kpi("rollback").exit_code == 0
    refused = kpi("diff")
    assert (refused.exit_code, "No publication is older than the current one." in refused.stderr) == (2, True)
    assert kpi("rollback").exit_code == 2


def test_before_the_first_publication_there_is_nothing_to_compare() -> None:
    refused = kpi("diff")
    assert (refused.exit_code, refused.stderr) == (1, "Nothing has been published yet. Run `kpi run` first.\n")
