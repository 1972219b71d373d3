"""The delivered rows behind a target of the scorecard.

Belongs here: which quotas a target is made of, and what each contributes. Does not belong here: how a target is spread
over days and summed up (`int_targets`, `fct_quota_daily`).
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import duckdb

from pipelines.answers.cells import Cell
from pipelines.sql import literal, quote_text

_SHOWN = 20


@dataclass(frozen=True)
class Quota:
    """A delivered row, and what it contributes to the target of a period, and to what was due of it by now."""

    key: str  # R07 2025-12
    month: date
    adds: Decimal
    due: Decimal
    source_file: str
    row_number: int


@dataclass(frozen=True)
class Quotas:
    """The quotas behind a target: the first ones, and how many there are."""

    first_rows: tuple[Quota, ...]
    rows: int


def quotas_of(connection: duckdb.DuckDBPyConnection, cell: Cell) -> Quotas:
    """The delivered rows behind the target of `cell`; none if it has no target."""
    query = rows_of_target(cell)
    found = connection.execute(f"from ({query}) limit {_SHOWN}").fetchall()
    [[rows]] = connection.execute(f"select count(*) from ({query})").fetchall()
    return Quotas(tuple(Quota(*row) for row in found), rows)


def rows_of_target(cell: Cell) -> str:
    """The query for the delivered rows behind the target of `cell`, by month and whose they are.

    Key, month, what the row adds to the target, how much of that was due by now, delivered file and row number. The
    target of a rate or an average is the row's own.
    """
    return f"""
        select
            concat(entity_id, ' ', strftime(period_month, '%Y-%m')) as key,
            period_month as month,
            case when is_additive then sum(daily_target) else any_value(target_value) end as adds,
            case
                when is_additive then coalesce(sum(daily_target) filter (is_elapsed), 0) else any_value(target_value)
            end as due,
            _source_file as source_file,
            _row_number as row_number
        from marts.fct_quota_daily as quotas
        where kpi_id = {quote_text(cell.variant.kpi_id)}
            and date_day >= {literal(cell.period.start)} and date_day < {literal(cell.period.end)}
            and {_of_entity(cell)}
        group by is_additive, entity_id, period_month, _source_file, _row_number
        order by period_month, entity_id, source_file, row_number
    """


def _of_entity(cell: Cell) -> str:
    """The condition that a quota counts for the entity: its own, or, of a team without one, those of its reps."""
    own = f"entity_type = {quote_text(cell.entity_type)} and entity_id = {quote_text(cell.entity_id)}"
    if cell.entity_type != "team":
        return own
    return f"""(
        {own}
        or entity_type = 'rep' and is_additive and team = {quote_text(cell.entity_id)} and not exists (
            from marts.fct_quota_daily as given
            where given.entity_type = 'team' and given.entity_id = quotas.team and given.kpi_id = quotas.kpi_id
                and given.period_month = quotas.period_month
        )
    )"""
