"""Every number of the customer success sections is what the facts say."""

from decimal import Decimal
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.conftest import Installation
from tests.integration.pages.tables import TableRow, tables_of


def rows_of(demo: Installation, query: str) -> list[tuple[Any, ...]]:
    with demo.published() as connection:
        return connection.execute(query).fetchall()


def section(pages: TestClient, name: str, query: str = "") -> list[list[TableRow]]:
    return tables_of(pages.get(f"/en/customer-success{query}").text, name)


@pytest.mark.parametrize(("query", "condition"), [("", "true"), ("?segment=smb", "segment = 'smb'")])
def test_the_triangle_is_who_ordered_again(
    pages: TestClient, untouched_demo: Installation, query: str, condition: str
) -> None:
    [table] = section(pages, "triangle", query)
    found = rows_of(
        untouched_demo,
        f"""
        select cohort_month, period_month, count(*) filter (orders > 0)
        from marts.fct_customer_months
        where {condition} and cohort_month is not null
        group by all
        """,
    )
    active = {(cohort, month): customers for cohort, month, customers in found}
    months = [
        month
        for (month,) in rows_of(
            untouched_demo, "select period_start from marts.dim_period where grain = 'month' and is_complete order by 1"
        )
    ]
    cohorts = [month for month in months[:-1] if (month, month) in active]
    assert [row.name for row in table] == [f"{month:%b %y}".replace("Sep ", "Sept ") for month in cohorts]
    for row, cohort in zip(table, cohorts, strict=True):
        customers = active[cohort, cohort]
        assert int(row.values[0][0]) == customers
        expected = [active.get((cohort, month), 0) / customers for month in months if month > cohort]
        assert [float(cell[0]) for cell in row.values[1:]] == pytest.approx(expected)


@pytest.mark.parametrize(("query", "condition"), [("", "true"), ("?segment=smb", "segment = 'smb'")])
def test_movements_lead_from_start_to_end(
    pages: TestClient, untouched_demo: Installation, query: str, condition: str
) -> None:
    [table] = section(pages, "movements", query)
    by_name = {row.name: row.values for row in table}
    activity = dict(
        rows_of(
            untouched_demo,
            f"""
            select activity_movement, count(*) from marts.fct_customer_months
            where period_month = '2025-12-01' and {condition} group by 1
            """,
        )
    )
    revenue = dict(
        rows_of(
            untouched_demo,
            f"""
            select revenue_movement, sum(net_change_amount) from marts.fct_customer_months
            where period_month = '2025-12-01' and {condition} group by 1
            """,
        )
    )
    assert int(by_name["New"][0][0]) == activity["new"]
    assert int(by_name["Reactivated"][0][0]) == activity["reactivated"]
    assert int(by_name["Churned"][0][0]) == -activity["churned"]
    for name in ("New", "Reactivated", "Expansion", "Contraction", "Churned"):
        assert Decimal(by_name[name][1][0]) == revenue[name.lower()], name
    for column, values in enumerate(zip(*(row.values for row in table), strict=True)):
        start, *changes, end = (Decimal(cell[0]) for cell in values if cell)
        assert start + sum(changes) == end, column
    assert int(by_name["End"][0][0]) == activity["new"] + activity["reactivated"] + activity["retained"]


def test_revenue_retention_over_time_is_kept_by_base(pages: TestClient, untouched_demo: Installation) -> None:
    expected = rows_of(
        untouched_demo,
        """
        select kept_amount / base_amount, kept_at_most_amount / base_amount from marts.kpi_retention
        where grain = 'month' and entity_type = 'company' and period_start >= '2025-01-01'
        order by period_start
        """,
    )
    tables = section(pages, "revenue-retention")
    assert len(tables) == 2
    for number, table in enumerate(tables):
        assert [float(row.values[0][0]) for row in table] == pytest.approx([float(row[number]) for row in expected])
        assert table[-1].name == "January 2026 (so far)"


def answers(demo: Installation, first: str, end: str) -> list[int]:
    """Promoters, passives and detractors by each customer's latest answer between two days."""
    [counts] = rows_of(
        demo,
        f"""
        with latest as (
            select arg_max(score, (responded_at, response_id)) as score
            from marts.fct_nps_responses
            where responded_on >= '{first}' and responded_on < '{end}'
            group by respondent_key
        )

        select count(*) filter (score >= 9), count(*) filter (score in (7, 8)), count(*) filter (score <= 6) from latest
        """,
    )
    return list(counts)


def test_the_distribution_counts_each_customers_latest_answer(pages: TestClient, untouched_demo: Installation) -> None:
    of_period, trailing, _ = section(pages, "nps")
    for table, first in ((of_period, "2025-12-01"), (trailing, "2025-10-03")):
        counts = answers(untouched_demo, first, "2026-01-01")
        assert [int(row.values[0][0]) for row in table[:3]] == counts
        assert [float(row.values[1][0]) for row in table[:3]] == pytest.approx([one / sum(counts) for one in counts])
        nps, low, high = (float(one) for one in table[3].values[0])
        assert nps == pytest.approx(100 * (counts[0] - counts[2]) / sum(counts))
        assert low < nps < high


def test_answers_and_invitations_of_each_period(pages: TestClient, untouched_demo: Installation) -> None:
    *_, table = section(pages, "nps")
    assert len(table) == 13
    december = next(row for row in table if row.name == "December 2025")
    assert [int(cell[0]) for cell in december.values[1:4]] == answers(untouched_demo, "2025-12-01", "2026-01-01")
    [(invited, answered)] = rows_of(
        untouched_demo,
        """
        select count(*), count(*) filter (is_answered) from marts.fct_nps_invitations
        where sent_on >= '2025-12-01' and sent_on < '2026-01-01'
        """,
    )
    assert [int(cell[0]) for cell in december.values[5:7]] == [invited, answered]
    assert float(december.values[7][0]) == pytest.approx(answered / invited)


@pytest.mark.parametrize("name", ["triangle", "movements", "revenue-retention", "nps", "nps-trend"])
def test_what_is_not_published_by_a_cut_says_so(pages: TestClient, name: str) -> None:
    html = pages.get("/en/customer-success?team=atlas").text
    assert tables_of(html, name) == []
    [_, _, rest] = html.partition(f'<section aria-labelledby="{name}"')
    assert "Not published by team. Choose one of: segment, region and channel." in rest.partition("</section>")[0]
