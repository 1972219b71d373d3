"""Data health shows what the published file says of deliveries, checks and restatements, and no value of any row."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from starlette.testclient import TestClient

from pipelines.pages.app import PagesConfig, application
from tests.conftest import Installation
from tests.integration.pages.tables import TableRow, tables_of

SECRET = "jane@example.com"
SCRIPT = "<script>alert(1)</script>"


def rows_of(demo: Installation, query: str) -> list[tuple[Any, ...]]:
    with demo.published() as connection:
        return connection.execute(query).fetchall()


def section(pages: TestClient, name: str, query: str = "") -> list[list[TableRow]]:
    return tables_of(pages.get(f"/en/data{query}").text, name)


def text_of(html: str, name: str) -> str:
    return html.partition(f'<section aria-labelledby="{name}"')[2].partition("</section>")[0]


@pytest.fixture(scope="module")
def eventful(untouched_demo: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The demo's publication, to which much has happened: its deliveries, checks, numbers and definitions."""
    folder = tmp_path_factory.mktemp("published")
    shutil.copy((untouched_demo.data_dir / "published" / "kpi.duckdb").resolve(), folder / "kpi.duckdb")
    with duckdb.connect(str(folder / "kpi.duckdb")) as connection:
        connection.execute(
            f"""
            update meta.publication set data_through = '2026-01-07' where source = 'crm';
            insert into meta.deliveries_in_question values
                ('crm', 'leads', '2026-01-08', 'left_out', 'a: {SECRET}\nb: {SECRET}', 'Jane', 'broken export', ''),
                ('ads', 'spend', '2026-01-09', 'missing', '', null, null, null);
            insert into meta.check_results by name
            select
                run_id, 'marts' as stage, 'fct_leads' as "table", name as "check", severity, false as passed,
                'a' as expectation_type, measured as "column", observed, 'nothing' as expected,
                failing as unexpected_count,
                '{SECRET}' as message, '["{SECRET}"]' as examples, error, '[]' as failing_days
            from (select any_value(run_id) as run_id from meta.publication) cross join (
                values
                    ('cannot_be_executed', 'critical', null, 'not checked', null, 'Conversion Error: {SECRET}'),
                    ('largest_is_usual', 'warning', 'email', '{SECRET}', null, null),
                    ('hostile', 'info', null, '3 of 9 rows {SCRIPT}', 3, null)
            ) as checks(name, severity, measured, observed, failing, error);
            insert into meta.restatements
            select
                publication, if(publication = 'p1', '2026-01-08', '2026-01-09'), 'month', month, kpi, variant,
                entity_type, entity_id, before, after
            from (
                values
                    ('p1', '2025-11-01', 'revenue', 'net', 'company', 'company', 1000.25, 1010.5),
                    ('p2', '2025-11-01', 'win_rate', 'closed_count', 'company', 'company', 0.25, null),
                    ('p2', '2025-11-01', 'revenue', 'net', 'region', 'south', 400, 410.25),
                    ('p2', '1999-01-01', 'revenue', 'net', 'company', 'company', 1, 2)
            ) as changes(publication, month, kpi, variant, entity_type, entity_id, before, after);
            insert into meta.restatement_causes
            select
                publication, 'month', '2025-11-01', kpi, variant, 'company', 'company', part, cause, 'shop',
                delivered_table, day, changed_rows, amount
            from (
                values
                    ('p1', 'revenue', 'net', 'gross_amount', 'late', 'orders', '2025-12-03', 2, 10.25),
                    ('p1', 'revenue', 'net', 'refund_amount', 'refund', 'refunds', '2025-12-04', 1, 0),
                    ('p1', 'revenue', 'net', 'gross_amount', 'related rows', 'customers', null, 4, 0),
                    ('p2', 'win_rate', 'closed_count', null, 'definition', null, null, null, null)
            ) as causes(publication, kpi, variant, part, cause, delivered_table, day, changed_rows, amount);
            insert into meta.definition_changes
            select 'p2', '2026-01-09', kpi, variant, before, 'b', models, settings, 'definition'
            from (
                values
                    ('win_rate', 'closed_count', 'a', ['fct_opportunities'], '{{"won_stages": {{}}}}'),
                    ('revenue', 'net', null, [], '{{}}')
            ) as changes(kpi, variant, before, models, settings);
            insert into meta.definition_change_values values
                ('p2', '2025-11-01', 'win_rate', 'closed_count', 'company', 'company', 0.25, 0.3, 'definition');
            insert into meta.annotations values
                ('event', '2025-12-24', '2025-12-26', null, null, null, null, 'Closed {SCRIPT}', 'p2', '2026-01-09'),
                ('event', '2025-12-27', '2025-12-27', 'revenue', null, null, null, 'Sale', 'p2', '2026-01-09'),
                ('event', '2025-12-27', '2025-12-27', 'nps', null, null, null, 'Sale', 'p2', '2026-01-09');
            """
        )
    with TestClient(application(PagesConfig(folder, ZoneInfo("Europe/Warsaw"))), base_url="http://127.0.0.1") as client:
        yield client


def test_every_table_shows_its_last_delivery(pages: TestClient, untouched_demo: Installation) -> None:
    [table] = section(pages, "sources")
    expected = rows_of(
        untouched_demo,
        """
        select table_name, max(delivered_on), max(counts.delivered_on), arg_max(raw_rows, counts.delivered_on), count(*)
        from meta.deliveries
        left join (from meta.delivered_row_counts where raw_rows > 0) as counts using (source, table_name, delivered_on)
        group by source, table_name
        order by source, table_name
        """,
    )
    shown = [
        (
            row.texts[-6],
            *(cell[0] if cell else None for cell in (row.values[-5], row.values[-4], row.values[-3], row.values[-1])),
        )
        for row in table
    ]
    assert shown == [(row[0], *(None if one is None else str(one) for one in row[1:])) for row in expected]
    assert "All deliveries that were due by then arrived and passed." in text_of(pages.get("/en/data").text, "sources")


def test_checks_are_counted_by_stage(pages: TestClient, untouched_demo: Installation) -> None:
    stages, *_ = section(pages, "checks")
    expected = rows_of(
        untouched_demo,
        """
        select count(*), count(*) filter (passed), count(*) filter (not passed), 0
        from meta.check_results where run_id in (select run_id from meta.publication)
        group by stage order by position(stage in 'raw staging marts')
        """,
    )
    assert [tuple(int(cell[0]) for cell in row.values) for row in stages] == expected


def test_quarantine_is_counted_by_table_and_reason(pages: TestClient, untouched_demo: Installation) -> None:
    [table] = section(pages, "quarantine")
    expected = rows_of(
        untouched_demo,
        """
        select source || '.' || table_name, reason, count(*), min(delivered_on), max(delivered_on)
        from meta.quarantined_rows group by all
        """,
    )
    shown = {(row.name, row.texts[0], int(row.values[1][0]), row.values[2][0], row.values[2][-1]) for row in table}
    assert shown == {(name, reason, rows, str(first), str(last)) for name, reason, rows, first, last in expected}
    [(quarantined, delivered)] = rows_of(
        untouched_demo, "select sum(quarantined_rows), sum(raw_rows) from meta.delivered_row_counts"
    )
    assert f'<data value="{quarantined}">' in text_of(pages.get("/en/data").text, "quarantine")
    assert f'<data value="{delivered}">' in text_of(pages.get("/en/data").text, "quarantine")


def test_rows_that_do_not_count_are_counted_by_reason(pages: TestClient, untouched_demo: Installation) -> None:
    [table] = section(pages, "left-out")
    expected = rows_of(
        untouched_demo, "select entity, reason, left_out_of, sum(left_out_rows) from meta.left_out_rows group by all"
    )
    assert {(row.name, *row.texts[:2], int(row.values[2][0])) for row in table} == set(expected)


def test_a_quiet_publication_says_so(pages: TestClient) -> None:
    html = pages.get("/en/data").text
    assert "None: no published number of a complete period changed later." in text_of(html, "restatements")
    assert "None: every published number was always computed as it is now." in text_of(html, "definitions")


def test_deliveries_in_question_show_their_state_and_no_finding(eventful: TestClient) -> None:
    sources, in_question = section(eventful, "sources")
    assert [(row.name, row.values[0], row.texts[1], row.values[2], row.texts[3]) for row in in_question] == [
        ("ads.spend", ["2026-01-09"], "missing", ["0"], ""),
        ("crm.leads", ["2026-01-08"], "left out", ["2"], "broken export"),
    ]
    [crm] = [row for row in sources if row.name == "crm"]
    assert crm.values[0] == ["2026-01-07"]
    assert "2 days behind" in crm.texts[0]


def test_failed_checks_say_what_they_counted_and_no_value(eventful: TestClient) -> None:
    stages, failures = section(eventful, "checks")
    shown = {row.texts[1]: row.texts[2:] for row in failures}
    assert failures[0].texts[1] == "cannot be executed"  # critical
    assert shown["cannot be executed"] == ["It could not be executed; the log of the run says why."]
    assert shown["largest is usual"][0] == "Not shown: it is a value of a row."
    assert shown["hostile"][0] == f"3 of 9 rows {SCRIPT}"
    marts = stages[-1].values
    assert int(marts[0][0]) == sum(int(cell[0]) for cell in marts[1:])
    assert marts[3] == ["1"]


def test_restatements_name_both_numbers_and_the_causes(eventful: TestClient) -> None:
    [table] = section(eventful, "restatements")
    [by_definition, late] = [(row.texts[1], row.values[2], row.values[3], row.texts[-1]) for row in table]
    assert late[:3] == ("November 2025", ["1000.250000000000"], ["1010.500000000000"])
    assert late[3].split("; ") == [
        "late, shop.orders, delivered on 3 Dec 2025: 2 rows",
        "refund, shop.refunds, delivered on 4 Dec 2025: 1 row",
        "related rows, shop.customers: 4 rows",
    ]
    assert by_definition == ("November 2025", ["0.250000000000"], [], "definition")
    html = text_of(eventful.get("/en/data").text, "restatements")
    assert [html.count(f'<data value="{count}">') for count in (2, 3)] == [3, 1]  # shown and found, 2 rows; of all
    link = html.partition('data-variant="net"')[2].partition('href="')[2].partition('"')[0].replace("&amp;", "&")
    assert "kpi=revenue" in link
    assert "period=2025-11" in link
    assert eventful.get(link).status_code == 200


def test_restatements_follow_the_filter(eventful: TestClient) -> None:
    [[south]] = section(eventful, "restatements", "?region=south")
    assert (south.values[2], south.values[3]) == (["400.000000000000"], ["410.250000000000"])
    assert south.texts[-1] == "not known"
    assert section(eventful, "restatements", "?region=north") == []


def test_annotations_and_definitions_are_listed_once(eventful: TestClient) -> None:
    [notes] = section(eventful, "annotations")
    [sale] = [row for row in notes if row.texts[2] == "Sale"]
    assert sale.texts[3] == "Net promoter score and Net revenue"
    [closed] = [row for row in notes if row.texts[2] == f"Closed {SCRIPT}"]
    assert (closed.values[0], closed.texts[3]) == (["2025-12-24", "2025-12-26"], "all KPIs")
    [definitions] = section(eventful, "definitions")
    assert [(row.texts[1], row.texts[2], row.values[3]) for row in definitions] == [
        ("new", "", ["0"]),
        ("computed differently", "fct_opportunities, won_stages", ["1"]),
    ]


@pytest.mark.parametrize("language", ["en", "pl"])
def test_no_value_of_a_row_is_on_the_page_and_hostile_text_is_inert(eventful: TestClient, language: str) -> None:
    html = eventful.get(f"/{language}/data").text
    assert SECRET not in html
    assert SCRIPT not in html
    assert "&lt;script&gt;" in html


def test_the_publication_is_named(pages: TestClient, untouched_demo: Installation) -> None:
    [table] = section(pages, "version")
    [(publication_id, run_id)] = rows_of(untouched_demo, "select distinct publication_id, run_id from meta.publication")
    shown = {row.name: row.texts[0] for row in table}
    assert (shown["Publication"], shown["Run"], shown["As of"]) == (publication_id, run_id, "9 Jan 2026")


@pytest.fixture
def without_sources(untouched_demo: Installation, tmp_path: Path) -> Iterator[TestClient]:
    """A publication whose sources deliver nothing that marketing or customer success need."""
    shutil.copy((untouched_demo.data_dir / "published" / "kpi.duckdb").resolve(), tmp_path / "kpi.duckdb")
    with duckdb.connect(str(tmp_path / "kpi.duckdb")) as connection:
        connection.execute("update meta.settings set value = '{\"fx_rates\": [\"finance\"]}' where name = 'entities'")
    with TestClient(
        application(PagesConfig(tmp_path, ZoneInfo("Europe/Warsaw"))), base_url="http://127.0.0.1"
    ) as client:
        yield client


def test_sections_without_a_source_say_which_they_need(without_sources: TestClient) -> None:
    needs = {
        "marketing": {
            "spend": "ad_spend",
            "funnel": "leads",
            "attribution": "orders and touchpoints",
            "cohorts": "leads",
        },
        "customer-success": {"triangle": "orders", "movements": "orders", "nps": "nps_responses"},
    }
    for page, sections in needs.items():
        html = without_sources.get(f"/en/{page}").text
        for name, entities in sections.items():
            expected = f"Needs {entities}, which no source delivers. To connect a source, see docs/connect in"
            assert expected in text_of(html, name), name


def test_a_period_without_cases_says_so(pages: TestClient) -> None:
    html = pages.get("/en/customer-success?period=2024-01").text
    assert "nobody can have returned" in text_of(html, "triangle")
