"""A scorecard in memory, with only what a test needs of it."""

from collections.abc import Iterable

import duckdb

Cell = tuple[str, str, str, float | None, float | None, float | None, int]
"""First day of the month, entity type, entity, value, numerator, denominator, cases."""

_COLUMNS = """
    grain varchar, period_start date, kpi_id varchar, variant varchar, entity_type varchar, entity_id varchar,
    entity_name varchar, value decimal(38, 12), numerator decimal(38, 12), denominator decimal(38, 12),
    sample_size bigint, ci_low decimal(38, 12), ci_high decimal(38, 12), status varchar
"""


def published(cells: Iterable[Cell], unit: str, formula: str = "won ÷ closed") -> duckdb.DuckDBPyConnection:
    """A publication with the months of 2025 up to June, which is in progress, and one KPI, `kpi (main)`."""
    connection = duckdb.connect()
    connection.execute("create schema marts; create schema meta")
    connection.execute(
        f"create table marts.kpi_scorecard ({_COLUMNS}, is_partial_period boolean, is_mature boolean);"
        f"create table marts.kpi_scorecard__to_date ({_COLUMNS})"
    )
    connection.execute(
        """
        create table marts.dim_period as
        select 'month' as grain, range::date as period_start, (range + interval 1 month)::date as period_end,
            strftime(range, '%Y-%m') as period_label, range < timestamp '2025-06-01' as is_complete, 30 as days,
            case when range < timestamp '2025-06-01' then 30 else 10 end as days_elapsed,
            (range - interval 1 month)::date as prior_period_start,
            (range - interval 1 year)::date as last_year_period_start
        from range(timestamp '2025-01-01', timestamp '2025-07-01', interval 1 month);
        create table marts.kpi_catalogue as select 'kpi' as kpi_id, 'main' as default_variant;
        create table meta.publication as select 'p1' as publication_id, timestamp '2025-06-11 06:00' as published_at,
            date '2025-06-10' as as_of_date, 'EUR' as reporting_currency;
        """
    )
    connection.execute(
        "create table marts.kpi_variants as "
        f"select 'kpi' as kpi_id, 'main' as variant, '{unit}' as unit, 'The KPI' as name_en, '{formula}' as formula_en"
    )
    for cell in cells:
        add(connection, cell)
    return connection


def add(connection: duckdb.DuckDBPyConnection, cell: Cell, table: str = "kpi_scorecard") -> None:
    """Put one cell into the scorecard, or into its first days of earlier periods."""
    start, entity_type, entity, value, numerator, denominator, cases = cell
    numbers = ", ".join("null" if number is None else repr(number) for number in (value, numerator, denominator))
    flags = f", '{start}' >= '2025-06', true" if table == "kpi_scorecard" else ""
    connection.execute(
        f"insert into marts.{table} values ('month', '{start}', 'kpi', 'main', '{entity_type}', '{entity}', "
        f"'{entity}', {numbers}, {cases}, null, null, 'ok'{flags})"
    )
