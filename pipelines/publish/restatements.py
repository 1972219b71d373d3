"""Builds `meta.restatements` and `meta.restatement_causes`: published values of the past that have changed, and why.

Belongs here: comparing the candidate with the publication before, value by value and row by row. Does not belong here:
what values are made of (`answers/parts.py`), and definitions (`definitions.py`).

A value is restated if it was complete and mature. Its causes are the rows that make it up differently than before:
late, corrected or deleted ones, refunds, other exchange rates, another definition, or rows that are unchanged
themselves but refer to a customer, product or campaign that has changed (`related_rows.py`). What they add sums to the
change of each part, so that for a sum it is the change of the value.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol

import duckdb

from pipelines.answers.parts import (
    BOUNDS_OF_PERIODS,
    Measure,
    Term,
    entities_sql,
    filled_in,
    measures_of,
    names_in,
    parts_of,
)
from pipelines.publish.changed_rows import DATABASES, SIDES, find_changed_rows, near
from pipelines.publish.related_rows import find_related_rows
from pipelines.sql import quote_name, quote_text
from pipelines.warehouse import attach_read_only

_KEY = re.compile(r"key (.*); newest by ")
# Facts whose rows belong to an order, and count or not with it.
_OF_ORDERS = ("fct_order_items", "fct_refunds")


class _Made(Protocol):
    """The publication that is being made."""

    @property
    def publication_id(self) -> str: ...
    @property
    def published_at(self) -> datetime: ...


def build_restatements(connection: duckdb.DuckDBPyConnection, made: _Made, previous: Path) -> None:
    """Build both tables in the candidate, from its marts and from the file of the publication before.

    Values that were unknown, immature or of a period in progress are completed when they change, not restated. Values
    that never settle according to `kpi_variants` are not restated either: predictions, and counts up to now, change
    every day. Nor is a sum of zero that is shown no more, since its entity has no rows before: both say nothing.
    """
    connection.execute(
        """
        create table candidate.meta.restatements (
            publication_id varchar, published_at timestamp, grain varchar, period_start date, kpi_id varchar,
            variant varchar, entity_type varchar, entity_id varchar, value_before decimal(38, 12),
            value_after decimal(38, 12)
        );
        create table candidate.meta.restatement_causes (
            publication_id varchar, grain varchar, period_start date, kpi_id varchar, variant varchar,
            entity_type varchar, entity_id varchar, part varchar, cause varchar, source varchar, table_name varchar,
            delivered_on date, changed_rows bigint, amount decimal(38, 6)
        )
        """
    )
    if not previous.exists():
        return
    attach_read_only(connection, previous, "previous")
    _keep_history(connection)
    _find_restated(connection, made)
    try:
        _find_causes(connection, made)
    except (duckdb.BinderException, duckdb.CatalogException):  # the publication before has other columns
        connection.execute(
            "insert into candidate.meta.restatement_causes "
            "select ?, grain, period_start, kpi_id, variant, entity_type, entity_id, null, 'definition', null, null, "
            "null, null, null from restated",
            [made.publication_id],
        )
    connection.execute("detach previous")


def _keep_history(connection: duckdb.DuckDBPyConnection) -> None:
    columns = _columns(connection, "previous", "meta", "restatements")
    if columns:
        # An earlier version restated months only.
        period = "grain, period_start" if "grain" in columns else "'month' as grain, period_month as period_start"
        connection.execute(
            f"""
            insert into candidate.meta.restatements
            select
                publication_id, published_at, {period}, kpi_id, variant, entity_type, entity_id, value_before,
                value_after
            from previous.meta.restatements
            semi join (select kpi_id, variant from candidate.marts.kpi_variants where settles) using (kpi_id, variant)
            order by all
            """
        )
    if _columns(connection, "previous", "meta", "restatement_causes"):
        connection.execute("insert into candidate.meta.restatement_causes from previous.meta.restatement_causes")


def _find_restated(connection: duckdb.DuckDBPyConnection, made: _Made) -> None:
    has_grains = "grain" in _columns(connection, "previous", "marts", "kpi_scorecard")
    months = "(select *, 'month' as grain, period_month as period_start from previous.marts.kpi_scorecard__monthly)"
    connection.execute(
        f"""
        create or replace temp table restated as
        select
            grain, period_start, kpi_id, variant, entity_type, entity_id, before.value as value_before,
            after.value as value_after
        from {"previous.marts.kpi_scorecard" if has_grains else months} as before
        left join candidate.marts.kpi_scorecard as after
            using (grain, period_start, kpi_id, variant, entity_type, entity_id)
        semi join (select kpi_id, variant from candidate.marts.kpi_variants where settles) using (kpi_id, variant)
        where before.value is not null and not before.is_partial_period and before.is_mature
            and after.value is distinct from before.value
            and not (before.value = 0 and before.denominator is null and after.kpi_id is null)
        order by all
        """
    )
    connection.execute(
        "insert into candidate.meta.restatements select ?, ?, * from restated", [made.publication_id, made.published_at]
    )


def _find_causes(connection: duckdb.DuckDBPyConnection, made: _Made) -> None:
    needed = (("marts", "kpi_parts"), ("meta", "delivered_files"))
    is_told = [_columns(connection, "previous", schema, table) for schema, table in needed]
    restated = connection.execute("select distinct kpi_id, variant, grain from restated order by all").fetchall()
    if not all(is_told) or not restated:
        return
    connection.execute(
        f"""
        create or replace temp table differences (
            side varchar, term_number integer, fact varchar, grain varchar, period_start date, key varchar,
            adds decimal(38, 6), cuts map(varchar, varchar[]), source_file varchar, row_number bigint
        );
        create or replace temp table terms (
            term_number integer, part varchar, statistic varchar, kpi_id varchar, variant varchar, grain varchar
        );
        create or replace temp table bounds as
        from ({BOUNDS_OF_PERIODS.replace("marts.", "candidate.marts.")})
        where (grain, period_start) in (select (grain, period_start) from restated)
        """
    )
    measures = measures_of(connection, "candidate.marts")
    numbers: dict[tuple[Term, int | None], int] = {}
    for key in restated:
        for part, term in _terms_of(connection, measures[key]):
            number = numbers.setdefault((term, measures[key].horizon_days), len(numbers))
            connection.execute("insert into terms values (?, ?, ?, ?, ?, ?)", [number, part, term.statistic, *key])
    changed = find_changed_rows(connection, [term for term, _ in numbers])
    for (term, horizon_days), number in numbers.items():
        if changed & term.tables:
            _find_differences(connection, number, term, horizon_days)
    _find_versions(connection)
    _insert_causes(connection, made)


def _terms_of(connection: duckdb.DuckDBPyConnection, measure: Measure) -> Iterator[tuple[str, Term]]:
    """The terms of the parts of which a measure is made, also by formulas."""
    parts = parts_of(connection, measure.mart, "candidate.marts")
    waiting = list(measure.names)
    for name in waiting:
        if formula := parts[name][0].formula:
            waiting += [other for other in names_in(formula) if other not in waiting]
        else:
            yield from ((name, term) for term in parts[name])


def _find_differences(connection: duckdb.DuckDBPyConnection, number: int, term: Term, horizon_days: int | None) -> None:
    """Collect the rows of a term that only one of the two publications counts in restated periods, or that add another
    number.
    """
    cuts = term.entities
    entities = ", ".join(map(entities_sql, cuts.values()))
    adds = term.adds_sql if term.statistic == "sum" else "1"
    selected = (
        f"cast({term.key_sql} as varchar) as key, cast({adds} as decimal(38, 6)) as adds, "
        f"map([{', '.join(map(quote_text, cuts))}], cast([{entities}] as varchar[][])) as cuts, "
        f"{term.file_sql} as source_file, {term.row_sql} as row_number"
    )
    horizon = "cast(null as integer)" if horizon_days is None else str(horizon_days)
    values = {**{name: f"bounds.{name}" for name in _bounds(connection)}, "horizon_days": horizon}
    where = filled_in(term.where_sql, values)
    if term.is_of_one_table:
        # Only rows that have changed can make a difference.
        for side in SIDES:
            connection.execute(
                f"insert into differences select '{side}', {number}, '{term.fact}', bounds.grain, bounds.period_start, "
                f"{near(selected, side)} "
                f"from bounds cross join {term.fact}_{side} as {term.fact} where {where}"
            )
        return
    periods = (
        "(select distinct bounds.* from bounds inner join restated using (grain, period_start) "
        f"inner join terms using (kpi_id, variant, grain) where term_number = {number}) as bounds"
    )
    query = (
        f"select bounds.grain, bounds.period_start, {selected} "
        f"from {periods} cross join {filled_in(term.from_sql, values)} where {where}"
    )
    queries = {side: near(query, side) for side in SIDES}
    for side, other in (SIDES, SIDES[::-1]):
        connection.execute(
            f"insert into differences select '{side}', {number}, '{term.fact}', * "
            f"from ({queries[side]} except {queries[other]})"
        )


def _bounds(connection: duckdb.DuckDBPyConnection) -> list[str]:
    return [str(column[0]) for column in connection.execute("from bounds limit 0").description or ()]


def _find_versions(connection: duckdb.DuckDBPyConnection) -> None:
    """For each row that makes a difference, or the order that it belongs to: which delivery changed it, and how.

    Collected in `versions`: source_file, row_number, how (late, corrected, deleted, or none if the row itself is as it
    was), and the delivery that changed it.
    """
    connection.execute(
        f"""
        create or replace temp table rows_to_trace as
        select distinct side, source_file, row_number from differences
        union
        {
            " union ".join(
                f"select side, orders._source_file, orders._row_number from differences "
                f"inner join {database}.marts.{fact} as facts "
                f"on differences.source_file = facts._source_file and differences.row_number = facts._row_number "
                f"inner join {database}.marts.fct_orders as orders on facts.order_id = orders.order_id "
                f"where side = '{side}' and fact = '{fact}'"
                for side, database in DATABASES.items()
                for fact in _OF_ORDERS
            )
        };
        create or replace temp table versions (
            side varchar, source_file varchar, row_number bigint, how varchar,
            delivery struct(source varchar, table_name varchar, delivered_on date)
        )
        """
    )
    for source, table in connection.execute(
        "select distinct source, table_name from rows_to_trace "
        "inner join candidate.meta.delivered_files using (source_file) order by all"
    ).fetchall():
        _find_versions_of(connection, source, table)


def _find_versions_of(connection: duckdb.DuckDBPyConnection, source: str, table: str) -> None:
    log = f"warehouse.staging.{quote_name(f'base_{source}__{table}')}"
    columns = _columns(connection, "warehouse", "staging", f"base_{source}__{table}")
    ranked_by = connection.execute(f"select max(_ranked_by) from {log}").fetchone()
    key = _KEY.match(ranked_by[0]) if ranked_by and ranked_by[0] else None
    if not key:
        return
    same = " and ".join(
        f"log.{quote_name(name.strip())} is not distinct from traced.{quote_name(name.strip())}"
        for name in key[1].split(",")
    )
    is_deleted = "coalesce(try_cast(log.is_deleted as boolean), false)" if "is_deleted" in columns else "false"
    connection.execute(
        f"""
        insert into versions
        with traced as (
            select rows_to_trace.side, log.*
            from {log} as log
            inner join rows_to_trace
                on log._source_file = rows_to_trace.source_file and log._row_number = rows_to_trace.row_number
        ),

        known as (select source_file from previous.meta.delivered_files where source = $source and table_name = $table)

        select
            traced.side,
            traced._source_file,
            traced._row_number,
            case
                when traced.side = 'before' and not traced._is_newest
                    then case when bool_or(log._is_newest and {is_deleted}) then 'deleted' else 'corrected' end
                when traced.side = 'after' and traced._source_file not in (from known)
                    then case when bool_or(log._source_file in (from known)) then 'corrected' else 'late' end
            end as how,
            row(
                $source,
                $table,
                case
                    when traced.side = 'before' then max(case when log._is_newest then log._delivered_on end)
                    else traced._delivered_on
                end
            )
        from traced
        inner join {log} as log on {same}
        where log._reject_reason is null
        group by traced.side, traced._source_file, traced._row_number, traced._is_newest, traced._delivered_on
        """,
        {"source": source, "table": table},
    )


def _insert_causes(connection: duckdb.DuckDBPyConnection, made: _Made) -> None:
    orders = " union all ".join(
        f"select '{side}' as side, '{fact}' as fact, facts.source_file, facts.row_number, "
        "orders._source_file as order_file, orders._row_number as order_row "
        f"from (select order_id, _source_file as source_file, _row_number as row_number from {database}.marts.{fact} "
        "semi join differences on _source_file = source_file and _row_number = row_number) as facts "
        f"inner join {database}.marts.fct_orders as orders using (order_id)"
        for side, database in DATABASES.items()
        for fact in _OF_ORDERS
    )
    connection.execute(
        f"""
        create or replace temp table orders_of_rows as {orders};
        create or replace temp table traced as
        select
            differences.*,
            case
                when own.how = 'late' and fact = 'fct_refunds' then 'refund'
                when own.how is not null then own.how
                when of_order.how is not null then of_order.how
            end as how,
            case
                when own.how is not null then own.delivery
                when of_order.how is not null then of_order.delivery
            end as delivery
        from differences
        left join versions as own using (side, source_file, row_number)
        left join orders_of_rows using (side, fact, source_file, row_number)
        left join versions as of_order
            on differences.side = of_order.side and orders_of_rows.order_file = of_order.source_file
                and orders_of_rows.order_row = of_order.row_number;
        create or replace temp table unexplained as
        select distinct side, fact, source_file, row_number from traced where how is null
        """
    )
    find_related_rows(connection)
    redefined = "candidate.meta.definition_changes where publication_id = $publication_id"
    if not _columns(connection, "candidate", "meta", "definition_changes"):
        redefined = "candidate.marts.kpi_measures where false"
    connection.execute(
        f"""
        insert into candidate.meta.restatement_causes
        with reasons as (
            select
                traced.* exclude (how, delivery),
                struct_pack(
                    cause := case when how is not null then how when is_decided then related.cause end,
                    otherwise := coalesce(related.cause, 'related rows'),
                    delivery := coalesce(traced.delivery, related.delivery)
                ) as reason,
                case
                    when how is not null then 2
                    when is_decided then 1
                    when related.delivery is not null then 0
                    else -1
                end as certainty
            from traced
            left join related using (side, fact, source_file, row_number)
        ),

        -- A row that is in both, and adds the same to a cell, makes no difference to it.
        of_cells as (
            select
                restated.* exclude (value_before, value_after),
                terms.part,
                terms.statistic,
                reasons.key,
                sum(if(side = 'after', adds, -adds)) as amount,
                sum(if(side = 'after', 1, -1)) as more_rows,
                arg_max(reason, (certainty, side = 'after')) as reason
            from restated
            inner join terms using (kpi_id, variant, grain)
            inner join reasons
                on terms.term_number = reasons.term_number and restated.grain = reasons.grain
                    and restated.period_start = reasons.period_start
                    and (
                        restated.entity_type = 'company'
                        or list_contains(reasons.cuts[restated.entity_type], restated.entity_id)
                    )
            group by all
            having amount <> 0 or more_rows <> 0
        ),

        -- Where a definition has changed, a row that looks as before counts otherwise because of that.
        caused as (
            select
                of_cells.*,
                coalesce(reason.cause, if(redefined.kpi_id is null, reason.otherwise, 'definition')) as cause
            from of_cells
            left join (select distinct kpi_id, variant from {redefined}) as redefined using (kpi_id, variant)
        )

        select
            $publication_id, grain, period_start, kpi_id, variant, entity_type, entity_id, part, cause,
            case when cause <> 'definition' then reason.delivery.source end,
            case when cause <> 'definition' then reason.delivery.table_name end,
            case when cause <> 'definition' then reason.delivery.delivered_on end,
            count(distinct key),
            if(any_value(statistic) = 'sum', sum(amount), null)
        from caused
        group by all
        order by all
        """,
        {"publication_id": made.publication_id},
    )


def _columns(connection: duckdb.DuckDBPyConnection, database: str, schema: str, table: str) -> list[str]:
    """The columns of a table; none if there is no such table."""
    rows = connection.execute(
        "select column_name from duckdb_columns() where database_name = ? and schema_name = ? and table_name = ? "
        "order by column_index",
        [database, schema, table],
    ).fetchall()
    return [str(name) for (name,) in rows]
