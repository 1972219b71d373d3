"""Every number of the marketing sections is what the facts say."""

from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import pytest
from starlette.testclient import TestClient

from pipelines.pages.app import PagesConfig, application
from pipelines.pages.intervals import wilson
from pipelines.pages.readers import Reader, Readers
from tests.conftest import Installation
from tests.integration.pages.reading import read
from tests.integration.pages.tables import TableRow, tables_of

DECEMBER = ">= '2025-12-01' and {0} < '2026-01-01'"


def rows_of(demo: Installation, query: str) -> list[tuple[Any, ...]]:
    with demo.published() as connection:
        return connection.execute(query).fetchall()


def section(pages: TestClient, name: str, query: str = "") -> list[list[TableRow]]:
    return tables_of(pages.get(f"/en/marketing{query}").text, name)


@pytest.fixture(scope="module")
def won(untouched_demo: Installation) -> dict[str, tuple[int, Decimal]]:
    """New customers and sales of December by the paid channel of the last touch."""
    found = rows_of(
        untouched_demo,
        f"""
        select channel, count(*) filter (is_first_order and touch_number = touches), sum(last_amount)
        from marts.fct_attribution
        where is_paid and ordered_on {DECEMBER.format("ordered_on")}
        group by channel
        """,
    )
    return {channel: (customers, sales) for channel, customers, sales in found}


def test_spend_and_cost_of_each_channel_are_those_of_its_facts(
    pages: TestClient, untouched_demo: Installation, won: dict[str, tuple[int, Decimal]]
) -> None:
    spent = rows_of(
        untouched_demo,
        f"""
        select channel, sum(spend_amount), sum(spend_amount) filter (is_paid)
        from marts.fct_marketing_spend
        where spend_date {DECEMBER.format("spend_date")}
        group by channel
        order by 2 desc
        """,
    )
    [table] = section(pages, "spend")
    *channels, company = table
    assert [row.name for row in channels] == [channel for channel, _, _ in spent]
    for row, (channel, amount, paid) in zip(channels, spent, strict=True):
        spend, _, _, customers, cac, _, blended, _, fully_loaded, _, roas, _ = row.values
        new_customers, sales = won.get(channel, (0, Decimal(0)))
        assert Decimal(spend[0]) == amount
        assert Decimal(customers[0]) == new_customers
        assert [float(one) for one in cac] == ([pytest.approx(float(paid) / new_customers)] if new_customers else [])
        assert [float(one) for one in roas] == ([pytest.approx(float(sales / paid))] if paid else [])
        assert (blended, fully_loaded) == ([], [])
    assert Decimal(company.values[0][0]) == sum(amount for _, amount, _ in spent)
    assert Decimal(company.values[3][0]) == sum(customers for customers, _ in won.values())


def test_only_the_company_has_blended_and_fully_loaded_costs(pages: TestClient, untouched_demo: Installation) -> None:
    [table] = section(pages, "spend")
    [(programme, everything, customers)] = rows_of(
        untouched_demo,
        """
        select programme_cost_amount, fully_loaded_cost_amount, new_customers from marts.kpi_cac
        where grain = 'month' and period_start = '2025-12-01' and entity_type = 'company'
        """,
    )
    company = table[-1]
    assert float(company.values[6][0]) == pytest.approx(float(programme) / customers)
    assert float(company.values[8][0]) == pytest.approx(float(everything) / customers)


STAGES = ("true", "mql_on is not null", "sql_on is not null", "opportunity_on is not null or opportunities > 0")
WON = "won_on is not null or converted_on is not null"


def reached(demo: Installation, by: str) -> dict[str, list[int]]:
    """How many leads of December reached each stage, by a column; a later stage implies the earlier ones."""
    at_least = [f"({' or '.join([*STAGES[number:], WON])})" for number in range(len(STAGES))] + [f"({WON})"]
    counts = ", ".join(f"count(*) filter ({condition})" for condition in at_least)
    found = rows_of(
        demo, f"select {by}, {counts} from marts.fct_leads where created_on {DECEMBER.format('created_on')} group by 1"
    )
    return {name: list(counts) for name, *counts in found}


def assert_funnel(row: TableRow, counts: list[int]) -> None:
    stages = row.values[: len(counts)]
    assert [int(stage[0]) for stage in stages] == counts, row.name
    for stage, count in zip(stages[1:], counts[1:], strict=True):
        low, high = wilson(count, counts[0]) or (0.0, 0.0)
        assert [float(one) for one in stage[1:]] == pytest.approx([count / counts[0], low, high]), row.name


def test_the_funnel_counts_the_leads_that_reached_each_stage(pages: TestClient, untouched_demo: Installation) -> None:
    whole, sources, campaigns = section(pages, "funnel")
    [counts] = reached(untouched_demo, "'all'").values()
    assert [int(row.values[0][0]) for row in whole] == counts
    for row, count, before in zip(whole[1:], counts[1:], counts, strict=False):
        assert [float(row.values[2][0]), float(row.values[3][0])] == pytest.approx([count / counts[0], count / before])
        assert [float(one) for one in row.values[3][1:]] == pytest.approx(wilson(count, before))
    by_source = reached(untouched_demo, "coalesce(source, 'not assigned')")
    assert {row.name for row in sources} == set(by_source)
    for row in sources:
        assert_funnel(row, by_source[row.name])
    by_campaign = reached(untouched_demo, "campaign_id")
    assert sorted([int(stage[0]) for stage in row.values[:5]] for row in campaigns) == sorted(by_campaign.values())
    assert sum(int(row.values[0][0]) for row in campaigns) == counts[0]


def test_the_funnel_of_a_channel_has_its_source_and_its_campaigns(
    pages: TestClient, untouched_demo: Installation
) -> None:
    whole, sources, campaigns = section(pages, "funnel", "?channel=social")
    counts = reached(untouched_demo, "source")["social"]
    assert [int(row.values[0][0]) for row in whole] == counts
    assert [row.name for row in sources] == ["social"]
    known = {
        name
        for (name,) in rows_of(untouched_demo, "select campaign_name from marts.dim_campaign where channel = 'social'")
    }
    assert campaigns
    assert all(any(row.name.startswith(name) for name in known) for row in campaigns)


MODELS = ("first", "last", "linear", "position", "time_decay")


def test_all_models_attribute_the_same_sales(pages: TestClient, untouched_demo: Installation) -> None:
    [table] = section(pages, "attribution")
    sums = ", ".join(f"sum({model}_amount)" for model in MODELS)
    by_channel = {
        name: amounts
        for name, *amounts in rows_of(
            untouched_demo,
            f"select channel, {sums} from marts.fct_attribution "
            f"where ordered_on {DECEMBER.format('ordered_on')} group by channel",
        )
    }
    [(sales,)] = rows_of(
        untouched_demo,
        "select sum(gross_amount - discount_amount) from marts.fct_order_items "
        f"where ordered_on {DECEMBER.format('ordered_on')}",
    )
    *channels, total = table
    assert [Decimal(cell[0]) for cell in total.values[:5]] == [sales] * 5
    assert {row.name for row in channels} == {name.replace("unattributed", "without a touch") for name in by_channel}
    for row in channels:
        amounts = by_channel[row.name.replace("without a touch", "unattributed")]
        assert [Decimal(cell[0]) for cell in row.values[:5]] == amounts
        assert [float(cell[1]) for cell in row.values[:5]] == pytest.approx([float(one / sales) for one in amounts])
    assert sum(float(row.values[0][1]) for row in channels) == pytest.approx(1)


def test_a_cohort_is_known_when_its_last_lead_has_had_the_time(pages: TestClient, untouched_demo: Installation) -> None:
    [table] = section(pages, "cohorts")
    leads = {
        label: counts
        for label, *counts in rows_of(
            untouched_demo,
            """
            select
                strftime(created_on, '%B %Y'), count(*), count(*) filter (days_to_convert < 30),
                count(*) filter (days_to_convert < 60), count(*) filter (days_to_convert < 90)
            from marts.fct_leads
            group by all
            """,
        )
    }
    known = []
    for row in table:
        count, *converted = leads[row.name.removesuffix(" (so far)")]
        assert Decimal(row.values[0][0]) == count
        for cell, expected in zip(row.values[1:], converted, strict=True):
            if len(cell) == 1:  # so far
                assert Decimal(cell[0]) == expected
            else:
                low, high = wilson(expected, count) or (0.0, 0.0)
                assert [float(one) for one in cell] == pytest.approx([expected / count, low, high])
        known.append([len(cell) == 3 for cell in row.values[1:]])
    # As of 9 January: 30 days after November are over, 60 after October, 90 after September.
    assert [row.name for row in table[-4:]] == [
        "October 2025",
        "November 2025",
        "December 2025",
        "January 2026 (so far)",
    ]
    assert known[-5:] == [[True, True, True], [True, True, False], [True, False, False], [False] * 3, [False] * 3]
    assert "known with data to 29 Jan 2026" in table[-2].texts[1]


@pytest.mark.parametrize("name", ["spend", "funnel", "attribution"])
def test_what_is_not_published_by_a_cut_says_so(pages: TestClient, name: str) -> None:
    html = pages.get("/en/marketing?rep=R05").text
    assert tables_of(html, name) == []
    [_, _, rest] = html.partition(f'<section aria-labelledby="{name}"')
    assert "Not published by rep. Choose one of: channel." in rest.partition("</section>")[0]


def test_cohorts_of_a_rep_are_the_reps(pages: TestClient, untouched_demo: Installation) -> None:
    [table] = section(pages, "cohorts", "?rep=R05")
    [(leads,)] = rows_of(
        untouched_demo,
        f"select count(*) from marts.fct_leads where sdr_id = 'R05' and created_on {DECEMBER.format('created_on')}",
    )
    assert {row.name: Decimal(row.values[0][0]) for row in table}["December 2025"] == leads


def test_a_reader_of_one_channel_sees_nothing_of_the_company(untouched_demo: Installation) -> None:
    readers = Readers(
        identity_header="X-User", readers={"ann": Reader(pages=("marketing",), only={"channel": ("social",)})}
    )
    config = PagesConfig(untouched_demo.data_dir / "published", ZoneInfo("UTC"), readers=readers)
    client = TestClient(application(config), base_url="http://127.0.0.1")
    html = client.get("/en/marketing?channel=social", headers={"X-User": "ann"}).text
    [spend] = tables_of(html, "spend")
    assert [row.name for row in spend] == ["social"]
    assert tables_of(html, "attribution") == []  # shares of all sales
    assert tables_of(html, "cohorts") != []
    assert "kpi.csv" not in html
    companys = rows_of(
        untouched_demo,
        "select value from marts.kpi_scorecard where grain = 'month' and entity_type = 'company' and value > 1000",
    )
    assert {number.value for number in read(html).numbers} & {str(value) for (value,) in companys} == set()


@pytest.mark.parametrize("page", ["marketing", "customer-success"])
def test_links_lead_to_pages(pages: TestClient, page: str) -> None:
    """One link of each kind, about the company or a part of a cut."""
    links: dict[tuple[str, ...], str] = {}
    for link in read(pages.get(f"/en/{page}").text).links:
        address, _, query = link.partition("?")
        asked = dict(parse_qsl(query))
        if "kpi" in asked:
            links[address, "channel" if "channel" in asked else ""] = link
    assert {address.rpartition("/")[2] for address, _ in links} >= {"explain", "why", "kpi"}
    for link in links.values():
        assert pages.get(link).status_code == 200, link
