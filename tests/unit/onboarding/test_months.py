"""Tables with one column per month become tables with one row per month."""

from datetime import date, datetime
from pathlib import Path

import pytest
from openpyxl import Workbook

from pipelines.onboarding.adding import Options, add_sources
from pipelines.onboarding.months import month_called, with_row_per_month
from pipelines.onboarding.sniffing import UnrecognisedError, describe_file
from pipelines.settings import load_settings
from tests.unit.onboarding.draft_rendering import build


@pytest.mark.parametrize(
    ("name", "month"),
    [
        ("Jan-25", 1), ("Feb 2025", 2), ("March '25", 3), ("2025-04", 4), ("05/2025", 5), ("2025 Juni", 6),
        ("Juillet 2025", 7), ("Août 2025", 8), ("września 2025", 9), ("Out/25", 10), ("2025-11-01", 11),
        ("Aral\u0131k 2025", 12), ("März", 3), ("mai", 5),
    ],
)  # fmt: skip
def test_names_of_months(name: str, month: int) -> None:
    assert month_called(name, 2025) == date(2025, month, 1)


@pytest.mark.parametrize("name", ["Total", "Q1 2025", "2025", "Jan 2025 actual", "13/2025", "Name", "1"])
def test_names_that_are_no_months(name: str) -> None:
    assert month_called(name, 2025) is None


def test_a_month_without_a_year_needs_one_in_the_name_of_the_file(tmp_path: Path) -> None:
    content = "rep,Jan,Feb\nkim,10,20\nlee,30,\n"
    for name, months in (("quota.csv", []), ("quota_2025.csv", [date(2025, 1, 1), date(2025, 2, 1)])):
        (file := tmp_path / name).write_text(content)
        assert [*with_row_per_month(describe_file(file), "quota", None).months.values()] == months


@pytest.mark.parametrize(
    "content",
    [
        "customer_id,name,Jan 2025,Feb 2025\n1,Ann Lee,10,20\n2,Bob Ray,30,40\n",  # no quotas
        "rep,Jan 2025\nkim,10\nlee,20\n",  # one month may be anything
        "rep,Jan 2025,Jan-25\nkim,10,11\nlee,20,21\n",  # twice the same
        "rep,Jan 2025,Feb 2025\nkim,10,yes\nlee,20,no\n",  # no amounts
    ],
)
def test_other_tables_stay_as_they_are(tmp_path: Path, content: str) -> None:
    (file := tmp_path / "quota.csv").write_text(content)
    described = describe_file(file)
    words = "customers" if content.startswith("customer") else "quota"
    assert with_row_per_month(described, words, None) == described


def test_a_sheet_with_dates_in_its_header_is_built_as_quotas(tmp_path: Path) -> None:
    workbook = Workbook()
    rows = [["Rep", datetime(2025, 1, 1), datetime(2025, 2, 1)], ["kim", 100.5, None], ["lee", 300, 400]]
    for row in rows:
        workbook.worksheets[0].append(row)
    workbook.save(file := tmp_path / "quota.xlsx")
    settings = load_settings().model_copy(update={"company_dir": tmp_path / "company", "data_dir": tmp_path / "data"})
    [added] = add_sources([str(file)], settings, Options(name="plan", draft_only=True)).tables
    assert added.draft.proposal.key == ("Rep",)
    with build(added.draft, file, settings) as connection:
        found = connection.execute(
            "select rep_id, cast(period_month as varchar), target_value from stg_plan__quotas order by 1, 2"
        ).fetchall()
    assert [(rep, month[:10], float(target)) for rep, month, target in found] == [
        ("kim", "2025-01-01", 100.5),
        ("lee", "2025-01-01", 300),
        ("lee", "2025-02-01", 400),
    ]


def test_columns_of_quarters_are_explained(tmp_path: Path) -> None:
    (file := tmp_path / "targets.csv").write_text("Sales rep,Q1 2025,Q2 2025\nkim,30,40\nlee,50,60\n")
    settings = load_settings().model_copy(update={"company_dir": tmp_path / "company", "data_dir": tmp_path / "data"})
    with pytest.raises(
        UnrecognisedError, match=r"Q1 2025 to Q2 2025 are quarters, .*: have a column per month\. Specify"
    ):
        add_sources([str(file)], settings, Options(name="plan", draft_only=True))
