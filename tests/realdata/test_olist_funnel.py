"""A real lead funnel, added as a user would add it: source YAML and staging models, no change to shipped code."""

import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from tests.conftest import Installation

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def olist_funnel(tmp_path_factory: pytest.TempPathFactory, real_data_dir: Path) -> Installation:
    """8,000 leads and 842 deals."""
    landing = tmp_path_factory.mktemp("olist funnel") / "landing" / "olist_funnel"  # a space in the path, on purpose
    landing.mkdir(parents=True)
    source = real_data_dir / "olist_funnel"
    shutil.copy(source / "olist_marketing_qualified_leads_dataset.csv", landing / "qualified_leads_2018-12-01.csv")
    shutil.copy(source / "olist_closed_deals_dataset.csv", landing / "closed_deals_2018-12-01.csv")
    installation = Installation(landing.parents[1], HERE / "olist_funnel" / "kpi.yml")
    installation.build(models="+kpi_scorecard__monthly")
    return installation


@pytest.mark.nightly
def test_the_whole_job_publishes_them(olist_funnel: Installation) -> None:
    olist_funnel.kpi("run")
    olist_funnel.assert_published("kpi_scorecard__monthly")


def conversions(installation: Installation, entity_type: str) -> list[tuple[str, str, int, int]]:
    """(month, entity, leads, converted leads) of cohorts that have leads."""
    with installation.warehouse() as connection:
        return [
            (f"{month:%Y-%m}", entity, int(leads), int(won))
            for month, entity, leads, won in connection.execute(
                """
                select period_month, entity_id, denominator, numerator from marts.kpi_scorecard__monthly
                where kpi_id = 'lead_conversion' and variant = 'cohort_ever' and entity_type = ? and denominator > 0
                order by period_month, entity_id
                """,
                [entity_type],
            ).fetchall()
        ]


def test_olist_leads_and_conversions_per_month_are_the_published_ones(olist_funnel: Installation) -> None:
    rows = conversions(olist_funnel, "company")
    assert [leads for _, _, leads, _ in rows] == [4, 239, 386, 312, 416, 445, 200, 1141, 1028, 1174, 1352, 1303]
    assert [won for *_, won in rows] == [0, 2, 9, 7, 14, 18, 11, 152, 149, 167, 183, 130]
    assert (rows[0][0], rows[-1][0]) == ("2017-06", "2018-05")
    assert (sum(row[2] for row in rows), sum(row[3] for row in rows)) == (8000, 842)


@pytest.mark.parametrize(
    ("origin", "leads", "won", "percent"),
    [("social", 1350, 75, "5.56"), ("paid_search", None, None, "12.30"), ("organic_search", None, None, "11.80")],
)
def test_olist_conversion_per_origin_is_the_published_one(
    olist_funnel: Installation, origin: str, leads: int | None, won: int | None, percent: str
) -> None:
    rows = [row for row in conversions(olist_funnel, "channel") if row[1] == origin]
    total_leads, total_won = sum(row[2] for row in rows), sum(row[3] for row in rows)
    assert leads in (None, total_leads)
    assert won in (None, total_won)
    assert round(Decimal(100 * total_won) / total_leads, 2) == Decimal(percent)


def test_olist_has_32_sdrs_and_every_lead_of_a_cut_is_a_lead_of_the_company(olist_funnel: Installation) -> None:
    sdrs = conversions(olist_funnel, "rep")
    assert len({entity for _, entity, *_ in sdrs if entity != "unassigned"}) == 32
    for cut in ("rep", "channel"):
        rows = conversions(olist_funnel, cut)
        assert (sum(row[2] for row in rows), sum(row[3] for row in rows)) == (8000, 842)


def test_olist_has_no_orders_and_says_so_instead_of_zero(olist_funnel: Installation) -> None:
    with olist_funnel.warehouse() as connection:
        statuses = connection.execute(
            "select distinct status, value from marts.kpi_scorecard__monthly where kpi_id = 'revenue'"
        ).fetchall()
    assert statuses == [("no_source", None)]
