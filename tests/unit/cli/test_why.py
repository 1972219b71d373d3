"""`kpi why` and `kpi tree`: sentences, waterfalls that add up, rows for programs, and what they import."""

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pipelines.answers.rounding import rounded
from pipelines.answers.why import why
from pipelines.cli.printing.why import in_sentences, print_why, signed
from pipelines.output import Format, Target, UsageError
from pipelines.sql import quote_path
from tests.unit.answers.scorecard import Cell, published

UTC = ZoneInfo("UTC")
CHANNELS = {"web": (100.0, 70.5), "retail": (50.0, 55.25), "fax": (20.0, 0.0), "app": (0.0, 40.0), "mail": (9.0, 9.5)}


@pytest.fixture
def published_dir(tmp_path: Path) -> Path:
    """Money by channel in April and May 2025."""
    cells: list[Cell] = []
    for at, start in enumerate(("2025-04-01", "2025-05-01")):
        total = sum(amounts[at] for amounts in CHANNELS.values())
        cells.append((start, "company", "company", total, total, None, 30))
        cells += [(start, "channel", name, each[at], each[at], None, 6) for name, each in CHANNELS.items() if each[at]]
    with published(cells, "money") as connection:
        connection.execute(f"attach {quote_path(tmp_path / 'kpi.duckdb')} as file")
        connection.execute("copy from database memory to file")
        connection.execute("detach file")
    return tmp_path


def test_the_waterfall_sums_up_what_it_does_not_show(published_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_why(published_dir, UTC, "kpi", "2025-05", most=2)
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    lines = [(row[0], row[3], row[5]) for row in rows if row]
    assert lines == [
        ("2025-04", "", "179.00"),
        ("app (new)", "+40.00", "219.00"),
        ("web", "-29.50", "189.50"),
        ("other (3)", "-14.25", "175.25"),
        ("2025-05", "-3.75", "175.25"),
    ]


def test_programs_get_every_line(published_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_why(published_dir, UTC, "kpi", "2025-05", most=1, target=Target(Format.json))
    lines = json.loads(capsys.readouterr().out)
    assert [line["contribution"] for line in lines if line["line"] == "change"] == [-3.75]
    by_entity = {line["entity_id"]: line["contribution"] for line in lines if line["line"] == "entity"}
    assert by_entity == {"app": 40, "web": -29.5, "fax": -20, "retail": 5.25, "mail": 0.5}
    assert {line["entity_id"] for line in lines if line["is_new"]} == {"app"}


def test_parquet_is_refused_in_words(published_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="this command prints table, csv, json or xlsx"):
        print_why(published_dir, UTC, "kpi", "2025-05", target=Target(Format.parquet, tmp_path / "why.parquet"))


def test_in_simpsons_paradox_the_sentences_blame_the_mix() -> None:
    shares = {
        "2025-04-01": {"good": (400, 500), "bad": (50, 500)},
        "2025-05-01": {"good": (85, 100), "bad": (180, 900)},
    }
    cells: list[Cell] = []
    for start, channels in shares.items():
        won, closed = (sum(each[at] for each in channels.values()) for at in (0, 1))
        cells.append((start, "company", "company", won / closed, won, closed, closed))
        cells += [
            (start, "channel", name, top / bottom, top, bottom, bottom) for name, (top, bottom) in channels.items()
        ]
    said = " ".join(in_sentences(why(published(cells, "rate"), "kpi", "2025-05"), UTC))
    assert "The rates alone would have moved it up: what changed it is where the cases are." in said


def test_rounded_amounts_add_up_to_the_rounded_sum() -> None:
    thirds = [Fraction(1, 3), Fraction(1, 3), Fraction(1, 3)]
    assert rounded(thirds, "money") == [Fraction("0.33"), Fraction("0.34"), Fraction("0.33")]
    assert sum(rounded(thirds, "money")) == 1


@pytest.mark.parametrize(
    ("amount", "unit", "text"),
    [
        ("-1234.5", "money", "-1,234.50"),
        ("0.0231", "rate", "+2.31 points"),
        ("3", "count", "+3"),
        ("0", "score", "+0.0"),
    ],
)
def test_changes_have_signs(amount: str, unit: str, text: str) -> None:
    assert signed(Fraction(amount), unit) == text


def test_answering_imports_nothing_slow(published_dir: Path) -> None:
    code = """
import sys
from pathlib import Path
from zoneinfo import ZoneInfo
import pipelines.cli, pipelines.cli.printing.tree
from pipelines.cli.printing.why import print_why
print_why(Path(sys.argv[1]), ZoneInfo("UTC"), "kpi", "2025-05")
print("imported", sorted({"dagster", "dbt", "great_expectations", "pandas"} & sys.modules.keys()))
"""
    finished = subprocess.run([sys.executable, "-c", code, published_dir], capture_output=True, text=True, check=True)
    assert finished.stdout.splitlines()[-1] == "imported []"
