"""The pages of managers, SDRs and AEs: which rows their tables have, and that their numbers are those of the marts.

Numbers that name a cell of the scorecard are compared in `test_numbers.py`.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cache
from itertools import pairwise
from typing import Any

import duckdb
import pytest
from starlette.testclient import TestClient

from tests.conftest import Installation
from tests.integration.pages.tables import TableRow, rows_of

AS_OF = "date '2026-01-09'"  # of the demo company


@pytest.fixture(scope="module")
def published(untouched_demo: Installation) -> Iterator[duckdb.DuckDBPyConnection]:
    with untouched_demo.published() as connection:
        yield connection


Page = Callable[[str], str]


@pytest.fixture(scope="module")
def page_at(pages: TestClient) -> Page:
    """The HTML of an address, asked for once."""

    @cache
    def read(address: str) -> str:
        response = pages.get(f"/en/{address}")
        assert response.status_code == 200, (address, response.text[-500:])
        return response.text

    return read


def asked(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def rep_with_most(connection: duckdb.DuckDBPyConnection, fact: str, column: str) -> str:
    [(rep,)] = asked(
        connection,
        f"select {column} from marts.{fact} where {column} is not null group by 1 order by count(*) desc, 1 limit 1",
    )
    return str(rep)


def team_of(connection: duckdb.DuckDBPyConnection, rep: str) -> str:
    [(team,)] = asked(connection, f"select team from marts.dim_sales_rep where is_current and rep_id = '{rep}'")
    return str(team)


def entities(rows: list[TableRow], cut: str) -> list[str]:
    return [row.attributes["entity"] for row in rows if row.attributes["cut"] == cut]


PAGES = ("managers", "sdrs", "aes")
COMPARED = [
    ("managers", "win_rate", "closed_count", "2025-12"),
    ("managers", "revenue", "bookings", "2025-12"),
    ("managers", "lead_conversion", "cohort_30d", "2025-11"),  # the newest leads that all had 30 days
    ("managers", "lead_conversion", "cohort_90d", "2025-09"),
    ("sdrs", "lead_conversion", "cohort_30d", "2025-11"),
    ("aes", "win_rate", "closed_count", "2025-12"),
]


@pytest.mark.parametrize(("page", "kpi", "variant", "month"), COMPARED)
def test_teams_and_reps_stand_beside_each_other_in_the_newest_known_period(
    page_at: Page, published: duckdb.DuckDBPyConnection, page: str, kpi: str, variant: str, month: str
) -> None:
    rows = list(rows_of(page_at(f"{page}"), "people", kpi=kpi, variant=variant))
    assert {row.attributes["period"] for row in rows} == {month}
    scorecard = asked(
        published,
        f"""
        select entity_type, entity_id, entity_name, value, sample_size, delta, target, attainment, ci_low, ci_high
        from marts.kpi_scorecard left join marts.dim_sales_rep as reps on entity_id = rep_id and is_current
        where grain = 'month' and period_start = '{month}-01' and kpi_id = '{kpi}' and variant = '{variant}'
            and entity_type in ('company', 'team', 'rep')
            and (entity_type <> 'rep' or sample_size > 0 or (left_on is null and rep_id is not null))
            and (entity_type, entity_id) <> ('team', 'unassigned')
        """,
    )
    expected = {(cut, entity): (value, n, delta, target, attainment, low, high)
                for cut, entity, _, value, n, delta, target, attainment, low, high in scorecard}  # fmt: skip
    shown = {
        (row.attributes["cut"], row.attributes["entity"]): (
            row.number("value"),
            row.number("n"),
            row.number("change"),
            row.number("target") if row.has("target") else None,
            row.number("attainment") if row.has("attainment") else None,
            *((row.each("interval")[0] if row.has("interval") else []) or (None, None)),
        )
        for row in rows
    }
    assert shown == expected
    assert len(rows) == len(shown) > 8


def test_reps_are_ordered_by_name_within_their_team(page_at: Page, published: duckdb.DuckDBPyConnection) -> None:
    rows = list(rows_of(page_at("managers"), "people", kpi="win_rate", variant="closed_count"))
    names = dict(asked(published, "select rep_id, rep_name from marts.dim_sales_rep where is_current"))
    teams: dict[str, list[str]] = {}
    for row in rows[:-1]:
        if row.attributes["cut"] == "team":
            teams[row.attributes["entity"]] = []
        else:
            teams[list(teams)[-1]].append(row.attributes["entity"])
    assert list(teams) == sorted(teams)
    for team, reps in teams.items():
        assert {team_of(published, rep) for rep in reps} == {team}
        assert [names[rep] for rep in reps] == sorted((names[rep] for rep in reps), key=str.casefold)
    assert rows[-1].attributes["cut"] == "company"


def test_a_chosen_rep_stands_among_the_team(page_at: Page, published: duckdb.DuckDBPyConnection) -> None:
    rep = rep_with_most(published, "fct_opportunities", "owner_id")
    rows = list(rows_of(page_at(f"aes?rep={rep}"), "people", kpi="win_rate", variant="closed_count"))
    assert entities(rows, "team") == [team_of(published, rep)]
    assert rep in entities(rows, "rep")
    assert {team_of(published, one) for one in entities(rows, "rep")} == {team_of(published, rep)}
    assert entities(rows, "company") == ["company"]


def test_every_rep_can_be_chosen_without_one_chosen(page_at: Page, published: duckdb.DuckDBPyConnection) -> None:
    for page, fact, column in [("sdrs", "fct_leads", "sdr_id"), ("aes", "fct_opportunities", "owner_id")]:
        html = page_at(f"{page}")
        employed = asked(
            published,
            f"select distinct {column} from marts.{fact} inner join marts.dim_sales_rep on rep_id = {column} "
            "where is_current and left_on is null",
        )
        assert employed
        for (rep,) in employed:
            assert f'href="/en/{page}?rep={rep}"' in html


def test_targets_are_set_against_what_is_sold_and_open(page_at: Page, published: duckdb.DuckDBPyConnection) -> None:
    rows = list(rows_of(page_at("managers"), "targets"))
    expected = {
        (cut, entity): numbers
        for cut, entity, *numbers in asked(
            published,
            f"""
            with open_deals as (
                select 'rep' as cut, rep_id as entity, sum(open_amount) as amount
                from marts.fct_pipeline_daily where date_day = {AS_OF} group by rep_id
                union all
                select 'team', team, sum(open_amount)
                from marts.fct_pipeline_daily where date_day = {AS_OF} group by team
                union all
                select 'company', 'company', sum(open_amount) from marts.fct_pipeline_daily where date_day = {AS_OF}
            )

            select
                entity_type, entity_id, value, target_to_date, attainment, delta, target, greatest(target - value, 0),
                coalesce(amount, 0)
            from marts.kpi_scorecard
            left join open_deals on entity_type = cut and entity_id = entity
            where grain = 'month' and is_partial_period and kpi_id = 'revenue' and variant = 'net'
                and target is not null and entity_type in ('rep', 'team', 'company')
            """,
        )
    }
    names = ("value", "target_to_date", "attainment", "change", "target", "remaining", "open_amount")
    shown = {(row.attributes["cut"], row.attributes["entity"]): [row.number(name) for name in names] for row in rows}
    assert shown == expected
    assert {cut for cut, _ in shown} == {"rep", "team", "company"}
    for row in rows:
        remaining, open_amount, coverage = (row.number(name) for name in ("remaining", "open_amount", "coverage"))
        assert remaining is not None
        assert open_amount is not None
        assert coverage == (open_amount / remaining if remaining else None)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("period", ["2024-01", "2026-01", "2024-W01&grain=week", "2026-Q1&grain=quarter"])
def test_first_and_newest_periods_have_pages(page_at: Page, page: str, period: str) -> None:
    """The first period has nothing before it, and a company that has not sold yet has bars of nothing."""
    for compare in ("prior", "last-year"):
        assert "<h1>" in page_at(f"{page}?period={period}&compare={compare}")


def test_targets_of_a_quarter_need_every_month_of_it(page_at: Page) -> None:
    """The quarter in progress has targets for its first month only, so the last complete one is shown."""
    html = page_at("managers?grain=quarter")
    assert {row.attributes["period"] for row in rows_of(html, "targets")} == {"2025-Q4"}
    assert "Still to sell" not in html


STAGES = """
    select stage, count(*), sum(amount), median({as_of} - created_on),
        {bands}
    from marts.fct_opportunities where not is_closed and {condition} group by stage
"""
BANDS = ["<= 30", "between 31 and 60", "between 61 and 90", "between 91 and 180", "> 180"]


@pytest.mark.parametrize("by", ["company", "team", "rep"])
@pytest.mark.parametrize("page", ["managers", "aes"])
def test_open_deals_by_stage_and_age_are_all_that_are_open(
    page_at: Page, published: duckdb.DuckDBPyConnection, page: str, by: str
) -> None:
    rep = rep_with_most(published, "fct_opportunities", "owner_id")
    team = team_of(published, rep)
    of_team = f"owner_id in (select rep_id from marts.dim_sales_rep where is_current and team = '{team}')"
    query, condition = {
        "company": ("", "true"),
        "team": (f"?team={team}", of_team),
        "rep": (f"?rep={rep}", f"owner_id = '{rep}'"),
    }[by]
    rows = list(rows_of(page_at(f"{page}{query}"), "pipeline"))
    bands = ", ".join(
        f"[coalesce(sum(amount) filter ({AS_OF} - created_on {band}), 0), "
        f"count(*) filter ({AS_OF} - created_on {band})]"
        for band in BANDS
    )
    expected = {
        stage: (deals, amount, Decimal(str(age)), *found)
        for stage, deals, amount, age, *found in asked(
            published, STAGES.format(as_of=AS_OF, bands=bands, condition=condition)
        )
    }
    shown = {
        row.attributes["stage"]: (
            row.number("deals"),
            row.number("amount"),
            row.number("median_age"),
            *(band or [0, 0] for band in row.each("band")),
        )
        for row in rows[:-1]
    }
    assert shown == expected
    assert shown
    total = rows[-1]
    assert total.number("deals") == sum(one[0] for one in expected.values())
    assert total.number("amount") == sum(one[1] for one in expected.values())
    by_day = "rep_id" if by == "rep" else "team" if by == "team" else "'company'"
    entity = {"company": "company", "team": team, "rep": rep}[by]
    [daily] = asked(
        published,
        "select sum(open_opportunities), sum(open_amount) from marts.fct_pipeline_daily "
        f"where date_day = {AS_OF} and {by_day} = '{entity}'",
    )
    assert daily == (total.number("deals"), total.number("amount"))


def test_stages_are_in_the_order_in_which_deals_pass_them(page_at: Page) -> None:
    stages = [row.attributes["stage"] for row in rows_of(page_at("aes"), "pipeline")]
    assert stages == ["prospecting", "qualification", "proposal", "negotiation", ""]


@pytest.mark.parametrize(("kind", "order"), [("largest", "amount desc"), ("oldest", "created_on")])
@pytest.mark.parametrize("is_of_rep", [True, False])
def test_open_deals_are_listed(
    page_at: Page, published: duckdb.DuckDBPyConnection, kind: str, order: str, is_of_rep: bool
) -> None:
    rep = rep_with_most(published, "fct_opportunities", "owner_id")
    html = page_at(f"aes?rep={rep}" if is_of_rep else "aes")
    shown = [
        (
            row.attributes["deal"],
            row.number("amount"),
            row.number("age"),
            row.number("days_in_stage"),
            row.number("days_overdue"),
        )
        for row in rows_of(html, "deals", list=kind)
    ]
    expected = asked(
        published,
        f"""
        select
            opportunity_id, deals.amount, {AS_OF} - created_on, {AS_OF} - max(entered_on),
            case when expected_close_date < {AS_OF} then {AS_OF} - expected_close_date end
        from marts.fct_opportunities as deals
        inner join marts.fct_opportunity_stage_events using (opportunity_id)
        where not is_closed and {f"deals.owner_id = '{rep}'" if is_of_rep else "true"}
        group by opportunity_id, deals.amount, created_on, expected_close_date
        order by deals.{order}, opportunity_id limit 10
        """,
    )
    assert shown == expected
    assert shown


def test_open_deals_say_nothing_of_customers(page_at: Page, published: duckdb.DuckDBPyConnection) -> None:
    html = page_at("aes")
    customers = asked(
        published, "select distinct customer_id from marts.fct_opportunities where customer_id is not null"
    )
    assert customers
    assert [customer for (customer,) in customers if f">{customer}<" in html] == []


ACTIVITY = {
    "leads": "select sdr_id from marts.fct_leads where {created_on}",
    "touched": "select sdr_id from marts.fct_leads where {created_on} and hours_to_first_touch is not null",
    "mqls": "select sdr_id from marts.fct_leads where {mql_on}",
    "sqls": "select sdr_id from marts.fct_leads where {sql_on}",
    "passed_on": "select sdr_id from marts.fct_opportunities where {created_on}",
    "created": "select owner_id from marts.fct_opportunities where {created_on}",
    "moves": "select owner_id from marts.fct_opportunity_stage_events "
    "where {entered_on} and event_number > 1 and not is_derived",
    "won": "select owner_id from marts.fct_opportunities where {closed_on} and is_won",
    "lost": "select owner_id from marts.fct_opportunities where {closed_on} and is_lost",
}


@pytest.mark.parametrize(
    ("query", "now", "earlier"),
    [
        ("", ("2025-12-01", "2026-01-01"), ("2025-11-01", "2025-12-01")),
        ("?period=2026-01", ("2026-01-01", "2026-01-10"), ("2025-12-01", "2025-12-10")),  # nine days of each
        ("?grain=quarter&compare=last-year", ("2025-10-01", "2026-01-01"), ("2024-10-01", "2025-01-01")),
    ],
)
def test_activity_is_counted_in_both_periods(
    page_at: Page, published: duckdb.DuckDBPyConnection, query: str, now: tuple[str, str], earlier: tuple[str, str]
) -> None:
    def counts(kind: str, start: str, end: str) -> dict[str, int]:
        days = {day: f"{day} >= '{start}' and {day} < '{end}'" for day in
                ("created_on", "mql_on", "sql_on", "entered_on", "closed_on")}  # fmt: skip
        return dict(asked(published, f"select *, count(*) from ({ACTIVITY[kind].format(**days)}) group by 1"))

    rows = list(rows_of(page_at(f"managers{query}"), "activity"))
    assert len(rows) > 10
    for kind in ACTIVITY:
        found, before = counts(kind, *now), counts(kind, *earlier)
        assert found, kind
        for row in rows:
            rep = row.attributes["entity"]
            expected = [found.get(rep, 0), *([] if kind == "touched" else [before.get(rep, 0)])]
            assert row.each(kind) == [expected if found.get(rep) or before.get(rep) else []], (rep, kind)
        assert {rep for rep in found if rep} <= {row.attributes["entity"] for row in rows}


@pytest.mark.parametrize("is_of_rep", [True, False])
def test_first_touches_are_counted_by_hours(
    page_at: Page, published: duckdb.DuckDBPyConnection, is_of_rep: bool
) -> None:
    rep = rep_with_most(published, "fct_leads", "sdr_id")
    rows = list(rows_of(page_at(f"sdrs?rep={rep}" if is_of_rep else "sdrs"), "first-touch"))
    hours = asked(
        published,
        "select coalesce(sdr_id, 'unassigned'), hours_to_first_touch from marts.fct_leads "
        "where created_on >= '2025-12-01' and created_on < '2026-01-01'",
    )
    reps = {rep} if is_of_rep else {sdr for sdr, _ in hours}
    assert [row.attributes["entity"] for row in rows[:-1]] == [
        one for one in [row.attributes["entity"] for row in rows] if one in reps
    ]
    assert {row.attributes["entity"] for row in rows[:-1]} == reps
    for row in rows:
        mine = [hour for sdr, hour in hours if row.attributes["entity"] in ("", sdr)]
        touched = [hour for hour in mine if hour is not None]
        ends = [-1, 4, 24, 48, 96, 168, 10**9]
        bands = [sum(low < hour <= high for hour in touched) for low, high in pairwise(ends)]
        assert row.number("leads") == len(mine)
        assert row.each("band") == [[count] for count in [*bands, len(mine) - len(touched)]]


@pytest.mark.parametrize("by", ["company", "rep", "team", "channel"])
def test_the_funnel_is_that_of_the_filter(page_at: Page, published: duckdb.DuckDBPyConnection, by: str) -> None:
    [(entity,)] = asked(published, f"select min(entity_id) from marts.kpi_funnel where entity_type = '{by}'")
    html = page_at("sdrs" if by == "company" else f"sdrs?{by}={entity}")
    shown = {
        row.attributes["stage"]: [row.number("leads"), row.number("share"), row.number("share_of_before"),
                                  row.number("median_days")]
        for row in rows_of(html, "funnel")
    }  # fmt: skip
    expected = {
        stage: [leads, *(None if one is None else Decimal(str(one)) for one in shares)]
        for stage, leads, *shares in asked(
            published,
            f"""
            select
                stage, leads_reached, share_of_leads,
                case when stage <> 'lead' then share_of_stage_before end,
                case when stage <> 'lead' then median_days_to_reach end
            from marts.kpi_funnel
            where grain = 'month' and period_start = '2025-12-01' and entity_type = '{by}' and entity_id = '{entity}'
            """,
        )
    }
    assert shown == expected
    assert list(shown) == ["lead", "mql", "sql", "opportunity", "won"]
    assert "have not all had 90 days" in html  # on 9 January, those of December have not


def test_a_funnel_of_leads_that_all_had_90_days_is_not_called_unknown(page_at: Page) -> None:
    assert "have not all had 90 days" not in page_at("sdrs?period=2025-09")
    assert "have not all had 90 days" in page_at("sdrs?period=2025-10")


@pytest.mark.parametrize("is_of_rep", [True, False])
def test_cohorts_that_are_not_known_yet_are_hatched_and_have_no_number(
    page_at: Page, published: duckdb.DuckDBPyConnection, is_of_rep: bool
) -> None:
    rep = rep_with_most(published, "fct_leads", "sdr_id") if is_of_rep else ""
    rows = list(rows_of(page_at(f"sdrs?rep={rep}" if rep else "sdrs"), "cohorts"))
    assert [row.attributes["period"] for row in rows[:2]] == ["2026-01", "2025-12"]
    assert len(rows) == 13
    for variant in ("cohort_30d", "cohort_60d", "cohort_90d"):
        expected = {
            period: (value, status == "immature")
            for period, value, status in asked(
                published,
                f"""
                select strftime(period_start, '%Y-%m'), value, status from marts.kpi_scorecard
                where grain = 'month' and kpi_id = 'lead_conversion' and variant = '{variant}'
                    and entity_type = '{"rep" if rep else "company"}' and entity_id = '{rep or "company"}'
                """,
            )
        }
        shown = {row.attributes["period"]: (row.number(variant), variant in row.hatched) for row in rows}
        assert shown == {period: expected[period] for period in shown}
        assert shown["2026-01"] == (None, True)


def test_closed_deals_over_time_have_every_period(page_at: Page, published: duckdb.DuckDBPyConnection) -> None:
    rows = list(rows_of(page_at("aes?grain=quarter"), "history"))
    expected = asked(
        published,
        """
        select period_label, value from marts.kpi_scorecard inner join marts.dim_period using (grain, period_start)
        where grain = 'quarter' and kpi_id = 'win_rate' and variant = 'closed_value' and entity_type = 'company'
        order by period_start desc limit 13
        """,
    )
    assert [(row.attributes["period"], row.number("closed_value")) for row in rows] == expected
    assert len(rows) > 5


@pytest.mark.parametrize("is_of_rep", [True, False])
def test_open_leads_are_counted_by_stage_and_age(
    page_at: Page, published: duckdb.DuckDBPyConnection, is_of_rep: bool
) -> None:
    rep = rep_with_most(published, "fct_leads", "sdr_id")
    html = page_at(f"sdrs?rep={rep}" if is_of_rep else "sdrs")
    leads = asked(
        published,
        f"""
        select lead_id, {AS_OF} - created_on, mql_on is not null, sql_on is not null from marts.fct_leads
        where opportunities = 0 and won_on is null and converted_on is null and created_on is not null
            and {f"sdr_id = '{rep}'" if is_of_rep else "true"}
        order by created_on, lead_id
        """,
    )
    ends = [-1, 7, 30, 60, 90, 180, 10**6]
    rows = list(rows_of(html, "open-leads", list="stages"))
    assert [row.attributes["stage"] for row in rows] == ["lead", "mql", "sql", ""]
    for row in rows:
        stage = row.attributes["stage"]
        ages = [
            age
            for _, age, is_mql, is_sql in leads
            if not stage or stage == ("sql" if is_sql else "mql" if is_mql else "lead")
        ]
        assert row.number("leads") == len(ages) > 0
        bands = [sum(low < age <= high for age in ages) for low, high in pairwise(ends)]
        assert row.each("band") == [[count] for count in bands]
    waiting = [(lead, age) for lead, age, is_mql, is_sql in leads if not is_mql and not is_sql and age < 30]
    shown = [(row.attributes["lead"], row.number("age")) for row in rows_of(html, "open-leads", list="untouched")]
    assert shown == waiting[:20] != []


FILTERED = {
    "people": {"team", "office"},
    "targets": {"team"},
    "activity": {"team", "office"},
    "pipeline": {"team", "office", "segment", "region", "category"},
    "deals": {"team", "office", "segment", "region", "category"},
    "first-touch": {"team", "office", "channel"},
    "funnel": {"team", "channel"},
    "cohorts": {"team", "office", "channel"},
    "open-leads": {"team", "office", "channel"},
}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("cut", ["team", "office", "channel", "segment", "region", "category"])
def test_a_section_that_cannot_be_filtered_says_so(
    page_at: Page, published: duckdb.DuckDBPyConnection, page: str, cut: str
) -> None:
    """Nothing shows the whole company under the name of a part of it."""
    [(entity,)] = asked(published, f"select min(entity_id) from marts.kpi_scorecard where entity_type = '{cut}'")
    html = page_at(f"{page}?{cut}={entity}")
    won_by = asked(published, "select distinct entity_type from marts.kpi_scorecard where kpi_id = 'win_rate'")
    filtered = {**FILTERED, "history": {one for (one,) in won_by}}
    sections = {section for section in filtered if f'id="{section}"' in html}
    assert len(sections) > 3
    for section in sections:
        text = html.partition(f'id="{section}"')[2].partition("</section>")[0]
        assert ("Not published by" in text) == (cut not in filtered[section]), section


@pytest.mark.parametrize("page", PAGES)
def test_no_page_sends_a_reader_to_an_error(page_at: Page, page: str) -> None:
    """Every link to the same page for another team, rep or period."""
    links = {link for link in _links(page_at(f"{page}")) if link.startswith(f"/en/{page}?")}
    assert len(links) > 5
    for link in sorted(links)[::6]:
        assert "<h1>" in page_at(link.removeprefix("/en/"))


def _links(html: str) -> list[str]:
    return [part.partition('"')[0].replace("&amp;", "&") for part in html.split('href="')[1:]]
