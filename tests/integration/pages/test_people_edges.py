"""The pages of managers, SDRs and AEs where data are missing or hostile: copies of the demo's publication, changed."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

import duckdb
import pytest
from starlette.testclient import TestClient

from pipelines.pages.app import PagesConfig, application
from pipelines.pages.readers import Readers
from tests.conftest import Installation
from tests.integration.pages.tables import rows_of

Publish = Callable[[str], TestClient]
PAGES = ("managers", "sdrs", "aes")
HOSTILE = "<script>alert(1)</script>\u202e\"'&"


@pytest.fixture
def publish(untouched_demo: Installation, tmp_path: Path) -> Iterator[Publish]:
    """Serves the demo's publication after some SQL."""
    with ExitStack() as open_clients:

        def serve(sql: str) -> TestClient:
            folder = tmp_path / "published"
            folder.mkdir()
            shutil.copyfile(untouched_demo.data_dir / "published" / "kpi.duckdb", folder / "kpi.duckdb")
            with duckdb.connect(str(folder / "kpi.duckdb")) as connection:
                connection.execute(sql)
            client = TestClient(application(PagesConfig(folder, ZoneInfo("Europe/Warsaw"))), "http://127.0.0.1")
            return open_clients.enter_context(client)

        yield serve


def section(html: str, name: str) -> str:
    return html.partition(f'id="{name}"')[2].partition("</section>")[0]


def test_without_a_crm_every_section_says_what_it_needs(publish: Publish) -> None:
    client = publish(
        """
        update meta.settings set value = '{"orders": ["shop"]}' where name = 'entities';
        delete from marts.kpi_scorecard
        where kpi_id in ('win_rate', 'lead_conversion') or variant = 'bookings' or entity_type in ('rep', 'team');
        update marts.kpi_scorecard set target = null, target_to_date = null;
        delete from marts.fct_leads; delete from marts.fct_opportunities; delete from marts.kpi_funnel;
        delete from marts.fct_opportunity_stage_events; delete from marts.fct_pipeline_daily;
        delete from marts.dim_sales_rep; delete from marts.fct_quota_daily;
        """
    )
    for page, needs in {
        "managers": {
            **dict.fromkeys(("people", "pipeline"), "opportunities"),
            "targets": "quotas",
            "activity": "leads and opportunities",
        },
        "sdrs": dict.fromkeys(("people", "first-touch", "funnel", "cohorts", "open-leads"), "leads"),
        "aes": {**dict.fromkeys(("people", "history", "pipeline", "deals"), "opportunities"), "targets": "quotas"},
    }.items():
        html = client.get(f"/en/{page}").text
        for name, entities in needs.items():
            assert f"Needs {entities}, which no source delivers." in section(html, name), (page, name)
            assert "docs/connect" in section(html, name)


def test_without_sales_reps_every_rep_with_cases_is_shown_without_a_team(
    publish: Publish, untouched_demo: Installation
) -> None:
    client = publish(
        """
        delete from marts.dim_sales_rep;
        delete from marts.kpi_scorecard where entity_type = 'team';
        update marts.kpi_scorecard set entity_name = entity_id where entity_type = 'rep';
        """
    )
    with untouched_demo.published() as published:
        closers = published.execute(
            """
            select entity_id from marts.kpi_scorecard
            where grain = 'month' and period_start = '2025-12-01' and kpi_id = 'win_rate' and variant = 'closed_count'
                and entity_type = 'rep' and sample_size > 0
            order by 1
            """
        ).fetchall()
    html = client.get("/en/managers").text
    shown = [row.attributes["entity"] for row in rows_of(html, "people", variant="closed_count")]
    assert shown == [*(rep for (rep,) in closers), "company"]
    assert len(closers) > 3
    assert {row.attributes["entity"] for row in rows_of(html, "activity")} >= {rep for (rep,) in closers}


def test_reps_who_left_are_shown_only_where_they_have_cases(publish: Publish) -> None:
    client = publish(
        """
        update marts.dim_sales_rep set left_on = '2025-06-30' where rep_id in ('R15', 'R16');
        update marts.kpi_scorecard
        set value = null, sample_size = 0, numerator = 0, denominator = 0, ci_low = null, ci_high = null,
            status = 'no_data'
        where entity_id in ('R16', 'R17') and grain = 'month' and period_start = '2025-12-01'
        """
    )
    rows = {
        row.attributes["entity"]: row for row in rows_of(client.get("/en/aes").text, "people", variant="closed_count")
    }
    assert "R15" in rows  # left, but closed deals
    assert "R16" not in rows  # left, and closed none
    assert rows["R17"].number("value") is None  # employed, and closed none
    assert "no data" in rows["R17"].text


def test_names_and_numbers_from_outside_are_inert(publish: Publish) -> None:
    hostile = HOSTILE.replace("'", "''")
    client = publish(
        f"""
        update marts.dim_sales_rep set rep_id = rep_id || '{hostile}', rep_name = '{hostile}', team = '{hostile}';
        update marts.kpi_scorecard set entity_id = entity_id || '{hostile}', entity_name = '{hostile}'
        where entity_type = 'rep';
        update marts.kpi_scorecard set entity_id = '{hostile}', entity_name = '{hostile}'
        where entity_type = 'team' and entity_id = 'atlas';
        update marts.fct_opportunities
        set owner_id = owner_id || '{hostile}', opportunity_id = opportunity_id || '{hostile}';
        update marts.fct_opportunity_stage_events
        set owner_id = owner_id || '{hostile}', stage = '{hostile}', opportunity_id = opportunity_id || '{hostile}';
        update marts.fct_leads
        set sdr_id = sdr_id || '{hostile}', source = '{hostile}', lead_id = lead_id || '{hostile}';
        """
    )
    for page in PAGES:
        for query in (
            "",
            f"?rep={quote('R15' + HOSTILE)}",
            f"?rep={quote('R05' + HOSTILE)}",
            f"?team={quote(HOSTILE)}",
        ):
            response = client.get(f"/en/{page}{query}")
            assert response.status_code == 200, (page, query)
            assert "alert(1)" in response.text
            assert "<script" not in response.text
    rows = rows_of(client.get("/en/aes").text, "deals", list="largest")
    shown = HOSTILE.replace("\u202e", "\N{REPLACEMENT CHARACTER}")
    assert [row.attributes["deal"].endswith(shown) for row in rows] == [True] * 10


def test_deals_without_amount_or_age_are_counted_as_such(publish: Publish) -> None:
    client = publish(
        """
        update marts.fct_opportunities set amount = null, created_on = null
        where opportunity_id in (
            select opportunity_id from marts.fct_opportunities where not is_closed order by 1 limit 3
        )
        """
    )
    html = client.get("/en/aes").text
    *stages, total = rows_of(html, "pipeline")
    assert total.number("without_age") == 3
    assert sum(row.number("without_age") or 0 for row in stages) == 3
    assert "without an amount" in total.text
    assert total.number("deals") == sum(band[1] for band in total.each("band") if band) + 3


def test_where_nothing_is_open_or_recorded_that_is_said(publish: Publish) -> None:
    client = publish(
        """
        update marts.fct_opportunity_stage_events set left_on = coalesce(left_on, '2026-01-09');
        update marts.fct_leads set hours_to_first_touch = null, opportunities = 1;
        """
    )
    aes, sdrs = (client.get(f"/en/{page}").text for page in ("aes", "sdrs"))
    assert "No deal was open at the end of 9 Jan 2026." in section(aes, "pipeline")
    assert "No deal was open at the end of 9 Jan 2026." in section(aes, "deals")
    assert "no first touch is known" in section(sdrs, "first-touch")
    assert "No lead is open" in section(sdrs, "open-leads")


def test_a_period_without_leads_is_named(publish: Publish) -> None:
    client = publish(
        "delete from marts.fct_leads where created_on >= '2025-12-01';"
        "delete from marts.kpi_funnel where period_start >= '2025-12-01'"
    )
    html = client.get("/en/sdrs").text
    assert "No lead arrived in December 2025." in section(html, "first-touch")
    assert "No lead arrived in December 2025." in section(html, "funnel")


def test_one_rep_who_has_closed_one_deal(publish: Publish) -> None:
    """The smallest company has a page, on which nothing is called certain."""
    client = publish(
        """
        delete from marts.dim_sales_rep where rep_id <> 'R15';
        delete from marts.kpi_scorecard
        where entity_type in ('rep', 'team') and entity_id not in ('R15', 'delta');
        update marts.kpi_scorecard
        set value = 1, numerator = 1, denominator = 1, sample_size = 1, ci_low = 0.2065, ci_high = 1,
            status = 'small_sample', delta = null, attainment = null
        where kpi_id = 'win_rate' and variant = 'closed_count'
        """
    )
    rows = list(rows_of(client.get("/en/aes?rep=R15").text, "people", variant="closed_count"))
    assert [row.attributes["entity"] for row in rows] == ["delta", "R15", "company"]
    for row in rows:
        assert "few cases" in row.text
        assert row.each("interval")[0][1] == 1
        assert row.number("attainment") is None


def as_reader_of(installation: Installation, **only: str) -> TestClient:
    readers = Readers.model_validate(
        {"identity_header": "X-User", "readers": {"bo": {"only": {cut: [entity] for cut, entity in only.items()}}}}
    )
    config = PagesConfig(installation.data_dir / "published", ZoneInfo("UTC"), readers=readers)
    return TestClient(application(config), "http://127.0.0.1", headers={"X-User": "bo"})


def test_a_reader_of_one_team_sees_its_deals_but_not_its_reps(untouched_demo: Installation) -> None:
    client = as_reader_of(untouched_demo, team="delta")
    managers, sdrs = (client.get(f"/en/{page}").text for page in ("managers", "sdrs"))
    for name in ("people", "targets"):
        rows = list(rows_of(managers, name))
        assert rows
        assert {(row.attributes["cut"], row.attributes["entity"]) for row in rows} == {("team", "delta")}
    assert {row.attributes["period"] for row in rows_of(managers, "people", variant="cohort_30d")} == {"2025-11"}
    assert [row.attributes["entity"] for row in rows_of(sdrs, "first-touch")] == ["delta"]
    with untouched_demo.published() as published:
        [(deals, leads)] = published.execute(
            """
            select
                (select sum(open_opportunities) from marts.fct_pipeline_daily
                where date_day = '2026-01-09' and team = 'delta'),
                (select count(*) from marts.fct_leads where created_team = 'delta'
                    and created_on >= '2025-12-01' and created_on < '2026-01-01')
            """
        ).fetchall()
    *_, total = rows_of(managers, "pipeline")
    assert total.number("deals") == deals
    [touched] = rows_of(sdrs, "first-touch")
    assert touched.number("leads") == leads
    assert list(rows_of(managers, "activity")) == []


def test_a_reader_of_one_rep_sees_nobody_else(untouched_demo: Installation) -> None:
    for page, rep in (("sdrs", "R05"), ("aes", "R15")):
        html = as_reader_of(untouched_demo, rep=rep).get(f"/en/{page}").text
        named = {row.attributes["entity"] for name in ("people", "targets", "first-touch", "activity")
                 for row in rows_of(html, name)}  # fmt: skip
        assert named == {rep}
        assert "company_share" not in html
        assert {row.attributes["entity"] for row in rows_of(html, "people")} == {rep}
