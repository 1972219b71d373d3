"""`meta.annotations`: what is marked, for which KPIs, and what is kept from publication to publication."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest

from pipelines.config_files import ConfigError
from pipelines.publish.annotations import Marking, build_annotations
from pipelines.publish.events import Event
from pipelines.settings import load_settings
from pipelines.sources import Rejects, enabled_sources
from pipelines.warehouse import new_file

JANUARY, FEBRUARY = date(2025, 1, 1), date(2025, 2, 1)
KPIS = {"shop.orders": ["nps", "revenue"], "kpi_revenue__daily": ["revenue"], "survey.responses": ["nps"]}


@dataclass(frozen=True)
class Made:
    publication_id: str
    run_id: str = "run"
    published_at: datetime = datetime(2025, 3, 1)
    as_of_date: date = date(2025, 2, 28)


class Publications:
    """Candidates, one after the other; each is built from SQL."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.previous = folder / "none"

    def annotations(
        self, name: str, *statements: str, marking: Marking | None = None, run_id: str = "run"
    ) -> list[tuple[object, ...]]:
        """Kind, first and last day, KPI, subject, text and first publication of each annotation of a new candidate."""
        file = self.folder / f"{name}.duckdb"
        with new_file(file) as connection:
            connection.execute("create schema candidate.meta; create schema candidate.marts; use candidate.meta")
            connection.execute(
                """
                create table delivered_row_counts (
                    source varchar, table_name varchar, delivered_on date, raw_rows bigint, quarantined_rows bigint
                );
                create table check_results (
                    run_id varchar, checked_at varchar, stage varchar, "table" varchar, "check" varchar,
                    passed boolean, error varchar, expectation_type varchar, examples varchar, failing_days varchar
                )
                """
            )
            for statement in statements:
                connection.execute(statement)
            connection.execute("use memory")
            build_annotations(connection, Made(name, run_id), self.previous, marking or Marking(kpis_of_tables=KPIS))
        self.previous = file
        with duckdb.connect(str(file), read_only=True) as connection:
            return connection.execute(
                "select kind, starts_on, ends_on, kpi_id, subject, text, publication_id from meta.annotations "
                "order by all"
            ).fetchall()


@pytest.fixture
def publications(tmp_path: Path) -> Iterator[Publications]:
    return Publications(tmp_path)


def delivered(*rows: tuple[str, str, str, int, int]) -> str:
    return f"insert into delivered_row_counts values {', '.join(map(str, rows))}"


def unusual(table: str, check: str, *findings: str, stage: str = "raw", run_id: str = "run", at: str = "1") -> str:
    """A failed check of what is usual."""
    kind = "expect_row_counts_to_be_usual" if stage == "raw" else "expect_daily_values_to_be_usual"
    examples = json.dumps([{"finding": finding} for finding in findings]).replace("'", "''")
    return (
        f"insert into check_results values ('{run_id}', '{at}', '{stage}', '{table}', '{check}', false, null, "
        f"'{kind}', '{examples}', '[]')"
    )


def test_an_event_is_a_row_for_each_of_its_kpis_and_one_if_it_concerns_all(publications: Publications) -> None:
    events = [
        Event.model_validate({"date": "2025-01-05", "text": "Flood"}),
        Event.model_validate({"from": "2025-01-06", "to": "2025-01-09", "text": "Sale", "kpis": ["nps", "revenue"]}),
    ]
    assert publications.annotations("a", marking=Marking(events)) == [
        ("event", date(2025, 1, 5), date(2025, 1, 5), None, None, "Flood", "a"),
        ("event", date(2025, 1, 6), date(2025, 1, 9), "nps", None, "Sale", "a"),
        ("event", date(2025, 1, 6), date(2025, 1, 9), "revenue", None, "Sale", "a"),
    ]


def test_an_event_keeps_the_publication_that_had_it_first_until_it_is_removed(publications: Publications) -> None:
    flood = Event.model_validate({"date": "2025-01-05", "text": "Flood", "entity": "region=PL"})
    assert [row[-1] for row in publications.annotations("a", marking=Marking([flood]))] == ["a"]
    assert [row[-1] for row in publications.annotations("b", marking=Marking([flood]))] == ["a"]
    assert publications.annotations("c", marking=Marking([])) == []


def test_a_delivery_is_marked_from_the_share_in_quarantine_on_for_which_its_source_warns(
    publications: Publications,
) -> None:
    rows = delivered(
        ("shop", "orders", "2025-01-03", 100, 5),  # exactly the share
        ("shop", "orders", "2025-01-04", 101, 5),  # less
        ("shop", "orders", "2025-01-05", 4, 2),  # half of it, but too few rows
        ("survey", "responses", "2025-01-03", 100, 5),  # less than the source warns of
    )
    marking = Marking((), KPIS, {"shop": Rejects(warn=0.05), "survey": Rejects(warn=0.06)})
    text = "shop.orders: 5 of 100 rows (5.0 %) cannot be read and are in quarantine"
    day = date(2025, 1, 3)
    assert publications.annotations("a", rows, marking=marking) == [
        ("quarantine", day, day, "nps", "shop.orders", text, "a"),
        ("quarantine", day, day, "revenue", "shop.orders", text, "a"),
    ]
    assert publications.annotations("b", delivered(("shop", "orders", "2025-01-03", 100, 0)), marking=marking) == []


def test_a_source_that_came_later_than_the_first_is_marked_on_its_first_delivery(publications: Publications) -> None:
    rows = delivered(
        ("shop", "orders", "2025-01-03", 9, 0),
        ("survey", "responses", "2025-01-07", 9, 0),
        ("survey", "invitations", "2025-01-05", 9, 0),
        ("ads", "spend", "2025-01-03", 9, 0),
    )
    day = date(2025, 1, 5)
    text = "survey was connected: its first delivery, invitations, responses"
    assert publications.annotations("a", rows) == [("source_connected", day, day, "nps", "survey", text, "a")]


RESTATEMENTS = """
    create table candidate.meta.restatements as
    select *, unnest(['week', 'month', 'quarter']) as grain, timestamp '2025-03-01 00:00:00' as published_at
    from (values
        ('a', date '2025-01-01', 'revenue', 'net', 'company', 'company', 1000::decimal(38, 12), 950.5),
        ('a', date '2025-01-01', 'revenue', 'gross', 'company', 'company', 1000, 951),
        ('a', date '2025-01-01', 'revenue', 'net', 'channel', 'web', 1000, null),
        ('a', date '2025-02-01', 'nps', 'period', 'company', 'company', 10, null),
        ('b', date '2025-02-01', 'revenue', 'net', 'channel', 'web', 10, 11)
    ) as t(publication_id, period_start, kpi_id, variant, entity_type, entity_id, value_before, value_after);
    create table candidate.marts.kpi_catalogue as
    from (values ('revenue', 'net', 'money'), ('nps', 'period', 'score')) as t(kpi_id, default_variant, unit)
"""


def test_restated_values_are_one_line_per_publication_kpi_and_month(publications: Publications) -> None:
    expected = [
        ("restated", JANUARY, date(2025, 1, 31), "revenue", None,
         "revenue (net) was 1,000.00, is 950.50; 2 other values changed, too", "a"),
        ("restated", FEBRUARY, date(2025, 2, 28), "nps", None, "nps (period) was +10.0, is unknown", "a"),
        ("restated", FEBRUARY, date(2025, 2, 28), "revenue", None,
         "1 other value changed; revenue (net) of the company did not", "b"),
    ]  # fmt: skip
    assert publications.annotations("b", RESTATEMENTS) == expected
    assert publications.annotations("c", RESTATEMENTS) == expected  # kept in meta.restatements, and not twice


def test_a_restated_value_says_because_of_what(publications: Publications) -> None:
    causes = """
        create table candidate.meta.restatement_causes as
        select *, 'month' as grain, date '2025-02-10' as delivered_on, 'net_amount' as part, 1 as changed_rows
        from (values
            ('a', date '2025-01-01', 'revenue', 'net', 'company', 'company', 'late', 'shop', 'orders', 10),
            ('a', date '2025-01-01', 'revenue', 'net', 'company', 'company', 'deleted', 'shop', 'orders', -59.5),
            ('a', date '2025-01-01', 'revenue', 'gross', 'company', 'company', 'exchange rate', 'ecb', 'rates', -900),
            ('b', date '2025-02-01', 'revenue', 'net', 'channel', 'web', 'related rows', 'shop', 'customers', 1)
        ) as t(
            publication_id, period_start, kpi_id, variant, entity_type, entity_id, cause, source, table_name, amount
        )
    """
    texts = [text for *_, text, _ in publications.annotations("b", RESTATEMENTS, causes)]
    assert texts == [
        "revenue (net) was 1,000.00, is 950.50 because of deleted rows of shop.orders and 1 more cause; "
        "2 other values changed, too",
        "nps (period) was +10.0, is unknown",
        "1 other value changed because of changes in shop.customers; revenue (net) of the company did not",
    ]


def test_a_variant_whose_definition_changed_is_marked_for_good(publications: Publications) -> None:
    changes = """
        create table definition_changes as from (values
            ('b', 'revenue', 'net', '1', '2', ['int_a', 'int_b', 'int_c', 'kpi_revenue'],
             '{"kpis.small_sample": {"before": 20, "after": 30}}'),
            ('b', 'nps', 'period', null, '3', [], '{}'),  -- new
            ('a', 'nps', 'trailing_90d', '4', '5', ['kpi_nps'], '{}')  -- of an earlier publication
        ) as t(publication_id, kpi_id, variant, hash_before, hash_after, models, settings)
    """
    day = date(2025, 2, 28)
    text = (
        "revenue (net) is computed differently: setting kpis.small_sample was 20, is 30; "
        "SQL of int_a, int_b, int_c and 1 more"
    )
    changed = [("definition", day, day, "revenue", "net", text, "b")]
    assert publications.annotations("b", changes) == changed
    assert publications.annotations("c", changes) == changed


def test_an_unusual_delivery_is_marked_until_another_one_replaces_it(publications: Publications) -> None:
    finding = "1,200 rows on 2025-01-03, normal for a Friday: 80 to 120 (median 100 of 4)"
    found = unusual("shop__orders", "row_count_is_usual", finding, run_id="one that published nothing")
    day = date(2025, 1, 3)
    as_it_was = delivered(("shop", "orders", "2025-01-03", 1200, 0))
    marked = [
        ("unusual_day", day, day, kpi, "shop.orders row_count_is_usual", f"shop.orders: {finding}", "a")
        for kpi in ("nps", "revenue")
    ]
    assert publications.annotations("a", as_it_was, found) == marked
    assert publications.annotations("b", as_it_was) == marked  # kept when its check's result is no longer known
    repaired = delivered(("shop", "orders", "2025-01-03", 99, 0))
    assert publications.annotations("c", repaired, found) == []


def test_an_unusual_day_of_a_mart_is_marked_if_this_run_found_it(publications: Publications) -> None:
    finding = "9,000 on 2025-01-03, normal for a Friday: 0 to 23.32 (median 6 of 7)"
    of_mart = unusual("kpi_revenue__daily", "orders_of_the_day_are_usual", finding, stage="marts")
    [mark] = publications.annotations("a", of_mart)
    assert mark[:4] == ("unusual_day", date(2025, 1, 3), date(2025, 1, 3), "revenue")
    assert mark[5] == f"orders of the day: {finding}"
    assert publications.annotations("b", of_mart, run_id="a later one") == [mark]


def test_a_month_whose_rate_is_unusual_is_marked_for_that_kpi(publications: Publications) -> None:
    finding = "nps period 71 in 2025-01, usual are 10 to 40 (median 25 of 12 months)"
    rates = unusual("kpi_scorecard__monthly", "rates_of_the_last_month_are_usual", finding, stage="marts")
    [mark] = publications.annotations("a", rates)
    assert mark[:4] == ("unusual_day", JANUARY, date(2025, 1, 31), "nps")
    assert mark[5] == finding


def test_the_newer_finding_about_a_day_replaces_the_older(publications: Publications) -> None:
    rows = delivered(("survey", "responses", "2025-01-03", 9, 0))
    first = unusual("survey__responses", "usual", "9 rows on 2025-01-03, normal for a Friday: 0 to 8", at="1")
    again = unusual("survey__responses", "usual", "9 rows on 2025-01-03, normal for a Friday: 0 to 7", at="2")
    [mark] = publications.annotations("a", rows, again, first)
    assert str(mark[5]).endswith("0 to 7")
    [kept] = publications.annotations("b", rows, first, again)
    assert kept == mark


def test_the_setting_replaces_the_share_from_which_sources_warn_and_events_are_checked(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"nodes": {}, "sources": {}, "parent_map": {}}))
    settings = load_settings().model_copy(update={"company_dir": tmp_path})
    sources = [source for source in enabled_sources(settings) if source.name == "shop"]
    assert Marking.of(settings, sources, manifest).rejects == {"shop": sources[0].rejects}
    stricter = settings.model_copy(update={"mark_quarantine_from": 0.001})
    assert Marking.of(stricter, sources, manifest).rejects["shop"].warn == 0.001
    (tmp_path / "events.yml").write_text("events: [{date: 2025-11-28}]")
    with pytest.raises(ConfigError, match=r"events\.yml:1: events\.0\.text: missing"):
        Marking.of(settings, sources, manifest)


def test_thousands_of_annotations_are_written_with_their_types(publications: Publications) -> None:
    events = [Event.model_validate({"date": "2025-01-05", "text": str(number)}) for number in range(3000)]
    rows = publications.annotations("a", marking=Marking(events))
    assert len(rows) == 3000
    assert {row[1:5] for row in rows} == {(date(2025, 1, 5), date(2025, 1, 5), None, None)}
