"""Every published value is made of delivered rows: explain() finds them, and they reproduce it."""

import csv
import io
import json
import random
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from pipelines.answers.cells import Cell, Variant, find_cell
from pipelines.answers.explain import explain, rows_of_value
from pipelines.answers.periods import Grain, Periods
from pipelines.warehouse import published
from tests.conftest import Installation

# Seed, of what a cell is drawn, and how many at least.
EVERY_DAY, BY_NIGHT = (1, "variant", 1), (20_250_101, "variant and grain", 320)


@pytest.fixture
def connection(untouched_demo: Installation) -> Iterator[duckdb.DuckDBPyConnection]:
    with published(untouched_demo.data_dir / "published") as opened:
        yield opened


def sampled(connection: duckdb.DuckDBPyConnection, seed: int, of_each: str, number: int) -> list[Cell]:
    """Cells of any period and cut, drawn at random: as many of each variant, or of each variant and grain."""
    drawn_from: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
    for row in connection.execute(
        """
        select kpi_id, variant, grain, period_start, entity_type, entity_id, value, numerator, denominator, sample_size,
            is_partial_period, is_mature, status
        from marts.kpi_scorecard
        where value is not null
        order by all
        """
    ).fetchall():
        drawn_from.setdefault(row[: 2 if of_each == "variant" else 3], []).append(row)
    periods = {grain: {one.start: one for one in Periods.of(connection, grain).periods} for grain in Grain}
    drawn = random.Random(seed)
    cells: list[Cell] = []
    while len(cells) < number:
        for key in sorted(drawn_from):
            kpi_id, variant, grain, start, entity_type, entity_id, *values = drawn.choice(drawn_from[key])
            period, chosen = periods[Grain(grain)][start], Variant(kpi_id, variant, "", "", "")
            cells.append(Cell(chosen, Grain(grain), period, entity_type, entity_id, entity_id, *values))
    return cells


@pytest.mark.parametrize(("seed", "of_each", "number"), [EVERY_DAY, pytest.param(*BY_NIGHT, marks=pytest.mark.nightly)])
def test_rows_reproduce_numerator_denominator_and_value_and_exist_where_they_say(
    seed: int, of_each: str, number: int, untouched_demo: Installation, connection: duckdb.DuckDBPyConnection
) -> None:
    cells = sampled(connection, seed, of_each, number)
    assert len({(cell.variant.kpi_id, cell.variant.variant) for cell in cells}) > 60
    assert len(Counter(cell.entity_type for cell in cells)) > 5
    connection.execute("create temp table found (source_file varchar, row_number bigint)")
    wrong = []
    for cell in cells:
        made = explain(connection, cell)
        for name in ("numerator", "denominator", "value"):
            if not is_equal(getattr(made, name), getattr(cell, name)):
                wrong.append((cell.in_words, cell.grain, name, getattr(cell, name), getattr(made, name)))
        query = rows_of_value(connection, cell)
        into_found = f"insert into found select source_file, row_number from ({query})"
        [[rows]] = connection.execute(into_found).fetchall()
        assert rows == sum(term.rows for part in made.parts for term in part.terms)
    assert wrong == []
    missing = connection.execute(
        f"""
        select distinct source_file, row_number from found
        anti join (
            select _source_file as source_file, _row_number as row_number
            from read_parquet('{untouched_demo.data_dir}/raw/*/*/*/*.parquet', union_by_name = true)
        ) using (source_file, row_number)
        """
    ).fetchall()
    assert missing == []
    [[found]] = connection.execute("select count(*) from found").fetchall()
    assert found > len(cells)


def is_equal(made: Decimal | float | None, published_value: Decimal | None) -> bool:
    """Money and counts to the cent, ratios to 1e-9."""
    if made is None or published_value is None:
        return made is published_value
    return abs(float(made) - float(published_value)) <= 1e-9 * max(1, abs(float(published_value)))


@pytest.mark.parametrize("by", ["company", "channel=web", "rep=unassigned", "region=north"])
def test_what_is_not_counted_is_of_the_same_year_and_cut(
    by: str, untouched_demo: Installation, connection: duckdb.DuckDBPyConnection
) -> None:
    cell, _ = find_cell(connection, "revenue", "orders", "2025", by=by)
    cut, _, entity = by.partition("=")
    column = {"company": "'company'", "rep": "rep_id"}.get(cut, cut)
    with untouched_demo.warehouse() as warehouse:
        expected = warehouse.execute(
            f"""
            select if(is_deleted, 'that were deleted', 'with the status ' || status) as reason, count(*)
            from intermediate.int_orders
            where (is_deleted or status = 'cancelled') and coalesce({column}, 'unassigned') = ?
                and strftime(timezone('Europe/Warsaw', timezone('UTC', ordered_at)), '%Y') = '2025'
            group by reason
            """,
            [entity or "company"],
        ).fetchall()
    assert {one.reason: one.rows for one in explain(connection, cell).not_counted} == dict(expected)
    assert expected != []


def test_leads_that_can_still_convert_are_told(connection: duckdb.DuckDBPyConnection) -> None:
    """The as-of date is 2026-01-09, so leads from 2025-12-12 on have not had 30 days."""
    cell, _ = find_cell(connection, "lead_conversion", "cohort_30d", "2025-12")
    [[young]] = connection.execute(
        "select count(*) from marts.fct_leads where created_on between '2025-12-12' and '2025-12-31'"
    ).fetchall()
    found = {one.reason: (one.row_is, one.rows, one.parts) for one in explain(connection, cell).not_counted}
    assert found["that have not had 30 days yet"] == ("lead", young, ("converted_30d",))
    assert not cell.is_mature


@pytest.mark.nightly
def test_every_column_that_values_are_made_of_has_rows(connection: duckdb.DuckDBPyConnection) -> None:
    """A new variant needs its parts in macros/parts.sql: explain() fails on it otherwise."""
    explained = []
    for kpi_id, variant, grain in connection.execute(
        "select kpi_id, variant, grain from marts.kpi_measures order by all"
    ).fetchall():
        if not variant.startswith("platform_"):  # the demo company's platforms report nothing
            cell, _ = find_cell(connection, kpi_id, variant, grain=Grain(grain))
            explained.append(explain(connection, cell).parts)
    assert len(explained) > 200
    assert all(explained)


def test_kpi_explain_shows_rows_files_models_and_checks(untouched_demo: Installation) -> None:
    printed = untouched_demo.kpi("explain", "win_rate", "--period", "2025-Q3").stdout
    assert printed.startswith("win_rate (closed_count), 2025-Q3: ")
    assert "\nvalue = numerator / denominator = " in printed
    assert "crm.opportunities → base_crm__opportunities → stg_crm__opportunities → int_opportunities" in printed
    assert "crm/opportunities/opportunities_2025-11-10.jsonl: " in printed
    assert "Checks of these tables before publication: " in printed


def test_kpi_explain_writes_all_rows(untouched_demo: Installation) -> None:
    shown = json.loads(untouched_demo.kpi("explain", "revenue", "--period", "2025-12", "--format", "json").stdout)
    written = untouched_demo.kpi("explain", "revenue", "--period", "2025-12", "--rows", "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(written)))
    assert len(rows) == sum(term["rows"] for term in shown["parts"][0]["terms"])
    assert sum(Decimal(row["adds"]) for row in rows) == Decimal(str(shown["cell"]["value"]))
    assert {row["row_is"] for row in rows} == {"order item", "refund"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["revenu"], "KPI 'revenu' is not published. Did you mean revenue?"),
        (["revenue", "--by", "rep=Nobody"], "--by 'rep=Nobody' is not published for revenue. Published: rep="),
        (["revenue", "--period", "2031-01"], "--period 2031-01 is not published for revenue (net) by company."),
        (["revenue", "--rows", "--format", "parquet"], "--format parquet needs --output FILE."),
    ],
)
def test_what_cannot_be_explained_is_told(arguments: list[str], message: str, untouched_demo: Installation) -> None:
    refused = untouched_demo.kpi("explain", *arguments, check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith(message)
