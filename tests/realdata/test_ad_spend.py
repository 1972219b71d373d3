"""A real report of campaigns, in American and in European notation, added as a user would add it."""

import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from tests.conftest import Installation

HERE = Path(__file__).parent
FILES = {"american": "Marketing_sinderpreet.csv", "european": "Marketing_sinderpreet_eu_semicolon_variant.csv"}
EUROPEAN = {  # what its user writes differently
    "sources/ads_report.yml": [('delimiter: ","', 'delimiter: ";"')],
    "models/staging/ads_report/base_ads_report__campaign_days.sql": [
        (", 'format': 'mm/dd/yy'", ""),
        ("'decimal': '.'", "'decimal': ','"),
    ],
}


@pytest.fixture(scope="module")
def american(tmp_path_factory: pytest.TempPathFactory, real_data_dir: Path) -> Installation:
    """308 campaign days, landed and built from the first file."""
    return _installed("american", tmp_path_factory.mktemp("american"), real_data_dir)


@pytest.fixture(scope="module")
def european(tmp_path_factory: pytest.TempPathFactory, real_data_dir: Path) -> Installation:
    """The same from the second file."""
    return _installed("european", tmp_path_factory.mktemp("european"), real_data_dir)


# How numbers and dates of the second file are read is tested daily on small files: one build of all models is enough.
@pytest.fixture(params=["american", pytest.param("european", marks=pytest.mark.nightly)])
def report(request: pytest.FixtureRequest) -> Installation:
    """Each of the two reports."""
    installation: Installation = request.getfixturevalue(request.param)
    return installation


def _installed(written: str, folder: Path, real_data_dir: Path) -> Installation:
    company = folder / "company"
    shutil.copytree(HERE / "ad_spend", company)
    if written == "european":
        for name, changes in EUROPEAN.items():
            text = (company / name).read_text(encoding="utf-8")
            for before, after in changes:
                assert before in text
                text = text.replace(before, after)
            (company / name).write_text(text, encoding="utf-8")
    landing = company.parent / "data" / "landing" / "ads_report"
    landing.mkdir(parents=True)
    shutil.copy(real_data_dir / "ad_spend" / FILES[written], landing / "campaign_days_2021-03-01.csv")
    installation = Installation(company.parent / "data", company / "kpi.yml")
    installation.build(models="+kpi_scorecard__monthly +fct_marketing_spend")
    return installation


def february(report: Installation, columns: str) -> tuple[Decimal, ...]:
    """Columns of the company's row of February 2021."""
    with report.warehouse() as connection:
        [row] = connection.execute(
            f"select {columns} from marts.kpi_cac "
            "where grain = 'month' and entity_type = 'company' and period_start = date '2021-02-01'"
        ).fetchall()
    return tuple(row)


def test_spend_leads_orders_and_revenue_are_the_published_ones(report: Installation) -> None:
    spend, leads, customers, revenue = february(
        report, "paid_spend_amount, leads, new_customers, attributed_paid_sales_amount"
    )
    assert round(spend / 1_000_000, 2) == Decimal("30.59")
    assert (leads, customers, revenue) == (65_579, 8_043, 42_889_366)


def test_cost_per_lead_and_customer_and_the_return_are_the_published_ones(report: Installation) -> None:
    cost_per_lead, paid, blended, romi = february(report, "cost_per_lead, cac_paid, cac_blended, romi")
    assert round(cost_per_lead, 1) == 466.5
    assert round(paid, 1) == round(blended, 1) == 3_803.4
    assert round(100 * romi, 1) == 40.2


def test_what_the_report_does_not_say_has_no_source(report: Installation) -> None:
    with report.warehouse() as connection:
        statuses = connection.execute(
            "select kpi_id, variant, status from marts.kpi_scorecard__monthly where entity_type = 'company' "
            "and period_month = date '2021-02-01' and (kpi_id, variant) in "
            "(('cac', 'fully_loaded'), ('win_rate', 'closed_count'), ('nps', 'period'), ('revenue', 'margin')) "
            "order by 1"
        ).fetchall()
    assert statuses == [
        ("cac", "fully_loaded", "no_source"),
        ("nps", "period", "no_source"),
        ("revenue", "margin", "no_data"),
        ("win_rate", "closed_count", "no_source"),
    ]


@pytest.mark.nightly
def test_both_files_give_identical_marts_but_for_the_fractions_that_one_has_not(
    american: Installation, european: Installation
) -> None:
    """The first file has its spend in whole units. Nothing else differs."""
    content = {}
    for written, installation in {"american": american, "european": european}.items():
        with installation.warehouse() as connection:
            tables = connection.execute(
                "select table_name from information_schema.tables where table_schema = 'marts' order by 1"
            ).fetchall()
            content[written] = {
                name: connection.execute(f"select count(*), sum(hash(t)) from marts.{name} as t").fetchall()
                for [name] in tables
            }
            content[written]["rounded spend"] = connection.execute(
                "select * replace (round(spend_amount) as spend_amount) from marts.fct_marketing_spend order by all"
            ).fetchall()
    for name in ("fct_marketing_spend", "kpi_cac", "kpi_scorecard", "kpi_scorecard__monthly"):
        assert content["american"].pop(name) != content["european"].pop(name)
    assert len(content["american"]) > 25
    assert content["american"] == content["european"]
