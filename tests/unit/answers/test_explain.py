"""How a value was made, computed by hand on a published file with five deals."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from pipelines.answers.cells import Cell, Variant
from pipelines.answers.explain import Row, explain, rows_of_value
from pipelines.answers.periods import Grain, Period
from pipelines.answers.questions import QuestionError
from pipelines.sql import quote_text
from tests.conftest import PROJECT_DIR

HOSTILE = "o'Neil $x; drop table marts.fct_deals --"
MARTS = """
    create schema marts;
    create schema meta;
    create table marts.dim_period as
    select 'month' as grain, date '2025-02-01' as period_start, date '2025-03-01' as period_end, 28 as days_elapsed,
        true as is_complete, date '2025-01-01' as prior_period_start, date '2024-02-01' as last_year_period_start;
    create table marts.fct_deals as
    from (values
        ('D1', date '2025-02-03', true, 100.00, 'R1', 'crm/deals_1.csv', 2),
        ('D2', date '2025-02-04', false, 300.00, 'R1', 'crm/deals_1.csv', 3),
        ('D3', date '2025-02-28', true, 50.00, $hostile, 'crm/deals_2.csv', 2),
        ('D4', date '2025-03-01', true, 70.00, 'R1', 'crm/deals_2.csv', 3),
        ('D5', date '2025-02-05', true, 10.00, null, 'crm/deals_2.csv', 4)
    ) as deals(deal_id, closed_on, is_won, amount, rep_id, _source_file, _row_number);
    create table marts.kpi_measures as
    from (values
        ('win_rate', 'value', 'month', 'kpi_deals', '', 'won_amount', 'closed_amount', 'numerator / denominator', null),
        ('win_rate', 'middle', 'month', 'kpi_deals', 'median_amount', null, 'closed', 'numerator / denominator', null),
        ('win_rate', 'average', 'month', 'kpi_deals', '', 'average_won', null, 'numerator', null),
        ('win_rate', 'unknown', 'month', 'kpi_deals', 'x', 'no_such_part', null, 'numerator', null)
    ) as measures(
        kpi_id, variant, grain, mart, value_sql, numerator_sql, denominator_sql, formula, where_sql
    );
    alter table marts.kpi_measures add column needs varchar default 'opportunities sales_reps';
    create table marts.kpi_parts as
    select 'kpi_deals' as mart, *, null::varchar as formula, 'deal' as row_is, 'marts.fct_deals' as from_sql,
        'deal_id' as key_sql, 'closed_on' as day_sql, 'rep: rep_id' as cuts, '_source_file' as file_sql,
        '_row_number' as row_sql, 'opportunities' as left_out_entity,
        'day >= $period_start and day < $counted_until' as left_out_window_sql,
        'closed in the last days: closed_on >= $counted_until - 1 and closed_on <= $as_of_date
without a rep: rep_id is null' as uncounted
    from (values
        ('won_amount', 1, 'sum', 'amount', 'closed_on >= $period_start and closed_on < $counted_until and (is_won)'),
        ('closed_amount', 1, 'sum', 'amount', 'closed_on >= $period_start and closed_on < $counted_until'),
        ('closed', 1, 'sum', '1', 'closed_on >= $period_start and closed_on < $counted_until'),
        ('median_amount', 1, 'median', 'amount', 'closed_on >= $period_start and closed_on < $counted_until')
    ) as parts(part, term, statistic, adds_sql, where_sql);
    insert into marts.kpi_parts (mart, part, term, statistic, formula) values
        ('kpi_deals', 'average_won', 1, 'formula', 'won_amount / closed');
    create table meta.delivered_files as
    from (values
        ('crm', 'deals', date '2025-03-01', 'crm/deals_1.csv'), ('crm', 'deals', date '2025-03-02', 'crm/deals_2.csv')
    ) as files(source, table_name, delivered_on, source_file);
    create table meta.lineage as
    from (values ('kpi_deals', 'fct_deals'), ('fct_deals', 'base_crm__deals'), ('base_crm__deals', 'crm.deals'))
        as lineage(model, made_from);
    create table meta.left_out_rows as
    select 'crm' as source, 'deals' as table_name, 'opportunities' as entity, date '2025-03-02' as delivered_on,
        'that were deleted' as reason, 4 as left_out_rows;
    insert into meta.left_out_rows values ('crm', 'reps', 'sales_reps', '2025-03-02', 'without a name', 2);
    create table meta.left_out_days as
    from (values
        ('opportunities', 'that were deleted', date '2025-02-03', 'R1', 2),
        ('opportunities', 'that were deleted', date '2025-02-28', 'R2', 1),
        ('opportunities', 'that were deleted', date '2025-03-01', 'R1', 4),
        ('opportunities', 'without a date', null, 'R1', 8)
    ) as days(entity, reason, day, rep, left_out_rows);
    create table meta.quarantined_rows as
    select 'crm' as source, 'deals' as table_name, date '2025-03-01' as delivered_on;
    create table meta.publication as select '1' as publication_id, 'run 1' as run_id,
        timestamp '2025-03-03' as published_at, date '2025-02-28' as as_of_date;
    create table marts.kpi_scorecard as select 1 as value;
    create table meta.check_results as
    from (values ('run 1', 'marts', 'fct_deals', 'key_is_unique', true, '2025-03-03T10:00'),
        ('run 1', 'raw', 'crm__deals', 'has_rows', false, '2025-03-03T10:01'),
        ('run 0', 'marts', 'fct_deals', 'key_is_unique', false, '2025-03-02T10:00'))
        as results(run_id, stage, "table", "check", passed, checked_at);
    create table meta.restatements (
        publication_id varchar, published_at timestamp, grain varchar, period_start date, kpi_id varchar,
        variant varchar, entity_type varchar, entity_id varchar, value_before decimal(38, 12),
        value_after decimal(38, 12)
    );
    create table meta.restatement_causes (
        publication_id varchar, grain varchar, period_start date, kpi_id varchar, variant varchar, entity_type varchar,
        entity_id varchar, part varchar, cause varchar, source varchar, table_name varchar, delivered_on date,
        changed_rows bigint, amount decimal(38, 6)
    )
"""


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(tmp_path / "kpi.duckdb")) as opened:
        opened.execute(MARTS.replace("$hostile", quote_text(HOSTILE)))
        yield opened


def cell(variant: str, entity_id: str = "company") -> Cell:
    period = Period(date(2025, 2, 1), date(2025, 3, 1), "2025-02", True, 28, 28)
    entity_type = "company" if entity_id == "company" else "rep"
    chosen = Variant("win_rate", variant, "rate", "", "")
    return Cell(chosen, Grain.month, period, entity_type, entity_id, entity_id, *[None] * 4, False, True, "ok")


def test_a_ratio_of_the_company(connection: duckdb.DuckDBPyConnection) -> None:
    made = explain(connection, cell("value"))
    assert (made.numerator, made.denominator) == (Decimal(160), Decimal(460))
    assert made.value == pytest.approx(160 / 460, rel=1e-12)
    won, closed = made.parts
    assert [(term.row_is, term.rows, term.total) for term in (*won.terms, *closed.terms)] == [
        ("deal", 3, Decimal(160)),
        ("deal", 4, Decimal(460)),
    ]
    assert won.terms[0].first_rows[0] == Row("D1", date(2025, 2, 3), Decimal(100), "crm/deals_1.csv", 2)
    assert made.models == (("crm.deals", "base_crm__deals", "fct_deals", "kpi_deals"),)
    assert [(file.source_file, file.rows) for file in made.files] == [("crm/deals_1.csv", 2), ("crm/deals_2.csv", 2)]
    assert [(left.table, left.reason, left.rows) for left in made.left_out] == [
        ("reps", "without a name", 2),
        ("deals", "in quarantine, since it cannot be read", 1),
    ]
    assert (made.checks.passed, made.checks.failed) == (1, ("has_rows (raw.crm__deals)",))


@pytest.mark.parametrize(
    ("rep", "expected"),
    [
        ("company", {"that were deleted": 3, "without a date": 8, "closed in the last days": 1, "without a rep": 1}),
        ("R1", {"that were deleted": 2, "without a date": 8}),
        (HOSTILE, {"closed in the last days": 1}),
        ("R3", {}),
    ],
)
def test_what_is_not_counted_is_known_by_period_and_entity(
    rep: str, expected: dict[str, int], connection: duckdb.DuckDBPyConnection
) -> None:
    found = explain(connection, cell("value", rep)).not_counted
    assert {one.reason: one.rows for one in found} == expected
    assert len(found) == len(expected)
    assert {(one.row_is, one.parts) for one in found} <= {("deal", ("won_amount", "closed_amount"))}


def test_what_is_left_out_of_a_cut_that_is_not_known_is_told_by_delivery(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("update meta.left_out_days set rep = null where reason = 'that were deleted'")
    made = explain(connection, cell("value", "unassigned"))
    assert [one.reason for one in made.not_counted] == ["without a rep"]
    assert ("deals", "that were deleted", 4) in [(left.table, left.reason, left.rows) for left in made.left_out]


def test_a_publication_of_an_earlier_version_tells_by_delivery(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("drop table meta.left_out_days")
    connection.execute("alter table marts.kpi_parts drop column uncounted")
    made = explain(connection, cell("value"))
    assert [left.rows for left in made.left_out] == [4, 2, 1]


def test_a_median_has_no_numerator(connection: duckdb.DuckDBPyConnection) -> None:
    made = explain(connection, cell("middle"))
    assert (made.numerator, made.denominator, made.value) == (None, Decimal(4), 75)


@pytest.mark.parametrize(("entity", "value"), [("company", 160 / 4), ("R1", 100 / 2)])
def test_a_formula_over_other_parts_has_no_rows_of_its_own(
    entity: str, value: float, connection: duckdb.DuckDBPyConnection
) -> None:
    made = explain(connection, cell("average", entity))
    assert made.value == value
    assert {part.name: len(part.terms) for part in made.parts} == {"won_amount": 1, "closed": 1, "average_won": 0}
    assert made.not_counted[0].parts == ("won_amount", "closed")


@pytest.mark.parametrize(("rep", "won", "closed"), [("R1", 100, 400), (HOSTILE, 50, 50), ("unassigned", 10, 10)])
def test_an_entity_is_data_and_never_sql(
    rep: str, won: int, closed: int, connection: duckdb.DuckDBPyConnection
) -> None:
    made = explain(connection, cell("value", rep))
    assert (made.numerator, made.denominator) == (won, closed)
    query = rows_of_value(connection, cell("value", rep))
    rows = connection.execute(query).fetchall()
    assert sum(row[4] for row in rows if row[0] == "won_amount") == won


def test_nothing_counted_is_no_ratio(connection: duckdb.DuckDBPyConnection) -> None:
    made = explain(connection, cell("value", "R2"))
    assert (made.numerator, made.denominator, made.value) == (0, 0, None)
    assert made.files == ()


def test_nothing_slow_is_imported(tmp_path: Path) -> None:
    file = tmp_path / "published.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute(MARTS.replace("$hostile", quote_text(HOSTILE)))
    code = """
import sys
import duckdb
from pipelines.answers.explain import explain, rows_of_value
from tests.unit.answers.test_explain import cell
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    assert explain(connection, cell("value", "R1")).value == 0.25
    assert connection.execute(rows_of_value(connection, cell("value", "R1"))).fetchall()
print("imported", sorted({"dagster", "dbt", "great_expectations", "pandas"} & sys.modules.keys()))
"""
    finished = subprocess.run(
        [sys.executable, "-c", code, str(file)], cwd=PROJECT_DIR, capture_output=True, text=True, check=True
    )
    assert finished.stdout == "imported []\n"


def test_a_value_without_a_description_is_told(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(QuestionError, match="kpi_deals does not say which rows make up no_such_part"):
        explain(connection, cell("unknown"))
    connection.execute("drop table marts.kpi_measures")
    with pytest.raises(QuestionError, match="made by an earlier version"):
        explain(connection, cell("value"))
