"""Behind every number that a section counts from facts are the rows that make it, each with delivered file and row."""

import csv
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from functools import cache
from io import BytesIO, StringIO
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from starlette.testclient import TestClient

from pipelines.answers.cells import Cell, Variant, publication_of
from pipelines.answers.periods import Grain, Periods
from pipelines.answers.targets import rows_of_target
from pipelines.pages.behind import number_of, rows_query
from pipelines.pages.publications import Publications
from pipelines.pages.roles import PAGES
from pipelines.pages.sections import Section
from pipelines.pages.view import State, View
from pipelines.pages.words import Words
from tests.conftest import Installation
from tests.integration.pages.reading import number_in, read

FROM_FACTS = {name: {one.name: one for one in page.sections if one.numbers} for name, page in PAGES.items()}


# The pages as they open, every day; filtered ones and other periods by night.
ADDRESSES = [
    *(page for page, sections in FROM_FACTS.items() if sections),
    *(
        pytest.param(address, marks=pytest.mark.nightly)
        for address in (
            "managers?grain=quarter&period=2026-Q1",
            "sdrs?rep=R11",
            "sdrs?team=delta&period=2026-01",
            "marketing?channel=email&grain=quarter",
            "marketing?period=2026-01",
            "customer-success?segment=smb&grain=week",
            "customer-success?period=2026-01",
            "aes?team=delta",
        )
    ),
]


@pytest.fixture(scope="module")
def view(untouched_demo: Installation) -> Iterator[View]:
    """What pages of the demo company are made from."""
    with Publications(untouched_demo.data_dir / "published").current() as (connection, opened):
        connection.execute("set threads = 1")  # the queries are many and small
        yield View(connection, opened, Words("en", publication_of(connection).currency), State(), ZoneInfo("UTC"))


def asked(view: View, link: str) -> tuple[View, Section]:
    """The view and the section that a link to rows names."""
    address, _, query = link.partition("?")
    _, _, page, section, _ = address.split("/")
    state = State.of(dict(parse_qsl(query, keep_blank_values=True)))
    return replace(view, state=state, page=page), FROM_FACTS[page][section]


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_rows_behind_a_number_make_it(pages: TestClient, view: View, address: str) -> None:
    """All numbers: they are as many as the rows, or the sum, median or share of what the rows add."""

    @cache
    def made(query: str, statistic: str) -> tuple[int, int, float]:
        """How many rows there are, how many of them were delivered in a known place, and what they make."""
        counted = f"select count(*), count(source_file) filter (row_number > 0), {statistic}(adds) from ({query})"
        [(rows, delivered, total)] = view.connection.execute(counted).fetchall()
        return rows, delivered, float(total or 0)

    links = [link for link in read(pages.get(f"/en/{address}").text).links_of_numbers if "/rows?" in link.address]
    assert len(links) > 20
    for link in links:
        of_link, section = asked(view, link.address)
        number, keys = number_of(of_link, section)
        rows, delivered, value = made(rows_query(of_link, number, keys), "median" if number.is_median else "sum")
        if number.whole:
            value /= made(rows_query(of_link, number.whole, keys), "sum")[2]
        if number.divided_by:
            value /= float(number.divided_by[1](of_link) or 0)
        assert value == pytest.approx(float(link.numbers[0].value), abs=1e-9), link.address
        assert delivered == (rows if number.fact.file else 0), link.address


GRAINS = [pytest.param("week", marks=pytest.mark.nightly), "month", "quarter", "year"]


@pytest.mark.parametrize("grain", GRAINS)
def test_the_rows_behind_a_target_make_it(view: View, grain: str) -> None:
    """Every target of the scorecard, whole and as far as it was due, to the cent."""
    periods = {period.start: period for period in Periods.of(view.connection, Grain(grain)).periods}
    cells = view.fetch(
        """
        select kpi_id, variant, period_start, entity_type, entity_id, target, target_to_date
        from marts.kpi_scorecard where grain = $grain and target is not null
        """,
        grain=grain,
    )
    assert len(cells) > 20
    for kpi_id, variant, start, cut, entity, target, due in cells:
        of = Variant(kpi_id, variant, "", "", "")
        cell = Cell(of, Grain(grain), periods[start], cut, entity, entity, None, None, None, None, False, True, "ok")
        rows = view.fetch(rows_of_target(cell))
        assert (sum(row[2] for row in rows), sum(row[3] for row in rows)) == (target, due), cell.in_words
        assert all(file and number for *_, file, number in rows)


def test_an_explanation_shows_the_target_of_its_value(pages: TestClient, view: View) -> None:
    [(value, target, due, attainment)] = view.fetch(
        """
        select value, target, target_to_date, attainment from marts.kpi_scorecard
        where kpi_id = 'revenue' and variant = 'net' and grain = 'month' and period_start = date '2026-01-01'
            and entity_type = 'team' and entity_id = 'delta'
        """
    )
    page = pages.get("/en/explain?kpi=revenue&team=delta&period=2026-01").text
    shown = page.partition('id="target"')[2].partition("</section>")[0]
    assert [Decimal(one.value) for one in read(shown).numbers] == [target, due, value, attainment, target - value]
    assert "crm/quotas/quotas_2026-01-01.xlsx" in shown
    header, *rows = csv.reader(StringIO(pages.get("/en/target.csv?kpi=revenue&team=delta&period=2026-01").text[1:]))
    assert header == ["key", "month", "adds", "due", "source_file", "row_number"]
    assert sum(Decimal(row[2]) for row in rows) == target
    assert 'id="target"' not in pages.get("/en/explain?kpi=revenue&channel=email").text


def test_money_in_lists_of_rows_is_money_and_exact_in_files(pages: TestClient) -> None:
    address = "managers/pipeline/rows?number=amount"
    polish = pages.get(f"/pl/{address}").text
    shown = re.findall(r'<td class="n">([^<]*€)</td>', polish)
    assert all(re.fullmatch(r"\d{1,3}(\N{NO-BREAK SPACE}\d{3})*,\d\d\N{NO-BREAK SPACE}€", one) for one in shown)
    _, *rows = csv.reader(StringIO(pages.get(f"/en/{address.replace('?', '.csv?')}").text[1:]))
    assert [number_in(one, "pl")[0] for one in shown] == [Decimal(row[3]) for row in rows[:100]] != []
    assert "€" not in pages.get(f"/pl/{address.replace('?', '.csv?')}").text
    explained = pages.get("/en/explain?kpi=revenue").text
    assert re.search(r'<td class="n">€[\d,]+\.\d\d</td>', explained)
    assert re.search(r'<td class="n">1</td>', pages.get("/en/explain?kpi=win_rate").text)


def test_a_page_lists_the_rows_behind_a_number(pages: TestClient, untouched_demo: Installation) -> None:
    with untouched_demo.published() as connection:
        [(stage, deals, amount)] = connection.execute(
            """
            select stage, sum(open_opportunities), sum(open_amount) from marts.fct_pipeline_daily
            where date_day = (select max(as_of_date) from meta.publication) group by stage order by stage limit 1
            """
        ).fetchall()
    address = f"/en/managers/pipeline/rows?number=amount/stage={stage}"
    page = pages.get(address)
    assert f"Stage: <bdi>{stage}</bdi>" in page.text
    assert Decimal(read(page.text).numbers[0].value) == amount
    assert f'data-rows="{deals}"' in page.text
    assert "crm/opportunities/opportunities_" in page.text
    header, *rows = csv.reader(StringIO(pages.get(address.replace("rows?", "rows.csv?")).text[1:]))
    assert header == ["row_is", "key", "day", "adds", "source_file", "row_number"]
    assert sum(Decimal(row[3]) for row in rows) == amount
    assert len(rows) == deals
    book = openpyxl.load_workbook(BytesIO(pages.get(address.replace("rows?", "rows.xlsx?")).content))
    assert book.worksheets[0].max_row == deals + 1
    polish = pages.get(address.replace("/en/", "/pl/")).text
    assert "Suma tych wierszy" in polish


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("managers/pipeline/rows", 400),
        ("managers/pipeline/rows?number=nothing", 400),
        ("managers/pipeline/rows?number=amount/nothing=1", 400),
        ("managers/activity/rows?number=leads", 400),  # whose?
        ("managers/pipeline/rows.csv?number=amount&channel=email", 400),
        ("managers/kpis/rows?number=amount", 400),
        ("managers/nothing/rows?number=amount", 404),
        ("nothing/pipeline/rows?number=amount", 404),
        ("managers/pipeline/rows?number=amount/stage=';drop table x;--", 200),
    ],
)
def test_an_address_that_names_no_number_is_an_error(pages: TestClient, address: str, status: int) -> None:
    assert pages.get(f"/en/{address}").status_code == status
