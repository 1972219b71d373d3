"""The KPI handbook's examples: all numbers in its tables are the demo company's, and every variant has a line."""

import csv
import re
from decimal import Decimal
from pathlib import Path

import pytest

from demo_company.__main__ import SCALE, SEED
from demo_company.company import build_company, parts_of
from demo_company.truth import all_kpis, write_truth
from tests.conftest import PROJECT_DIR, Installation

HANDBOOK = PROJECT_DIR / "docs" / "kpis.md"
LINE = re.compile(r"^\| `(\w+)` \| (.+) \| (.*) \| (.*) \| (.*) \|$", re.MULTILINE)
KPI_OF_HEADING = {
    "Revenue": "revenue",
    "Customer acquisition cost": "cac",
    "Customer lifetime value": "clv",
    "Sales growth": "sales_growth",
    "Lead conversion": "lead_conversion",
    "Win rate": "win_rate",
    "Retention": "retention",
    "Net promoter score": "nps",
}
WITHOUT_TRUTH = {
    ("clv", "probabilistic"),
    *(("cac", "platform_conversions"), ("cac", "platform_revenue")),  # the demo company's platforms report neither
}

MONTH, WEEK = "2025-09-01", "2025-09-22"  # of the week, what has no month
Example = tuple[str, str, str]  # numerator, denominator, value, as printed


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, str]]:
    """September 2025 of the company in the truth of the demo company that `make run` creates."""
    file = tmp_path_factory.mktemp("demo_of_make_run") / "truth.csv"
    [whole] = parts_of(SCALE, SEED)
    write_truth(file, all_kpis(build_company(whole).clean))
    with file.open(encoding="utf-8") as lines:
        return {
            (row["kpi_id"], row["variant"]): row
            for row in csv.DictReader(lines)
            if row["entity_type"] == "company"
            and (row["grain"], row["period_start"]) == (("week", WEEK) if row["variant"] == "wow" else ("month", MONTH))
        }


def examples() -> dict[tuple[str, str], Example]:
    """The lines of the handbook's tables."""
    sections = re.split(r"^## (.+)$", HANDBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {
        (KPI_OF_HEADING[heading], variant): (numerator, denominator, value)
        for heading, text in zip(sections[1::2], sections[2::2], strict=True)
        if heading in KPI_OF_HEADING
        for variant, _, numerator, denominator, value in LINE.findall(text)
    }


def seed(name: str) -> list[dict[str, str]]:
    """The rows of a seed."""
    with Path(PROJECT_DIR / "dbt_project" / "seeds" / f"{name}.csv").open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_every_variant_has_its_line_and_says_its_formula() -> None:
    variants = {(row["kpi_id"], row["variant"]): row["formula_en"] for row in seed("kpi_variants")}
    text = HANDBOOK.read_text(encoding="utf-8")
    assert set(examples()) == set(variants)
    assert [key for key, formula in variants.items() if f"| `{key[1]}` | {formula} |" not in text] == []


@pytest.mark.nightly
def test_every_number_is_the_demo_companys(truth: dict[tuple[str, str], dict[str, str]]) -> None:
    wrong = []
    for key, (numerator, denominator, value) in examples().items():
        if key in WITHOUT_TRUTH:
            continue
        for printed, true in (
            (numerator, truth[key]["numerator"]),
            (denominator, truth[key]["denominator"]),
            (value, truth[key]["value"]),
        ):
            if printed and not is_rounded(printed, true):
                wrong.append((key, printed, true))
    assert wrong == []


def is_rounded(printed: str, true: str) -> bool:
    """Whether a printed number is the true number, with the decimals and in the unit in which it is printed."""
    if true == "":
        return printed == "immature"
    digits = printed.split()[0].replace(",", "")
    exact = Decimal(true) * (100 if printed.endswith("%") else 1)
    return abs(Decimal(digits) - exact) <= Decimal(1).scaleb(Decimal(digits).as_tuple().exponent) / 2 + Decimal("1e-9")  # type: ignore[arg-type]


def test_the_catalogue_speaks_english_and_polish() -> None:
    for name, columns in (
        ("kpi_catalogue", ["name_en", "name_pl", "description_en", "description_pl", "formula", "caveat"]),
        ("kpi_variants", ["name_en", "name_pl", "formula_en", "formula_pl"]),
    ):
        for row in seed(name):
            assert all(row[column].strip() for column in columns), row
            assert row["name_en"] != row["name_pl"], row


def test_a_variant_says_which_grains_it_has_and_why_it_lacks_others(demo: Installation) -> None:
    with demo.published() as connection:
        published = {
            (kpi, variant): set(grains)
            for kpi, variant, grains in connection.execute(
                "select kpi_id, variant, list(distinct grain) from marts.kpi_scorecard group by 1, 2"
            ).fetchall()
        }
    rows = seed("kpi_variants")
    assert {(row["kpi_id"], row["variant"]): set(row["grains"].split()) for row in rows} == published
    for row in rows:
        has_all = len(row["grains"].split()) == 4
        assert [bool(row[f"missing_grains_{language}"]) for language in ("en", "pl")] == [not has_all] * 2, row
