"""Which two periods of a value are compared.

Belongs here: the cell that is meant, and the earlier period. Does not belong here: what changed between them.
"""

from dataclasses import dataclass

import duckdb

from pipelines.answers.cells import Cell, all_of, find_cell
from pipelines.answers.periods import Comparison, Grain, Period, Periods
from pipelines.answers.questions import QuestionError


@dataclass(frozen=True)
class TwoPeriods:
    """The company's cell that is meant, all periods of its grain, and the one that it is compared with."""

    cell: Cell
    calendar: Periods
    earlier: Period
    notes: tuple[str, ...]

    @property
    def to_date(self) -> bool:
        """Whether the period is in progress, so that it is compared with as many days of the earlier one."""
        return self.cell.is_partial_period


def two_periods(
    connection: duckdb.DuckDBPyConnection,
    kpi_id: str,
    variant: str | None,
    period: str | None,
    against: str,
    grain: Grain | None,
) -> TwoPeriods:
    """The period that is meant, by default the last complete one, and `prior`, `last-year` or the one that is named.

    Raises:
        QuestionError: no such value is published, or there is nothing to compare it with.
    """
    cell, notes = find_cell(connection, kpi_id, variant, period, grain)
    calendar = Periods.of(connection, cell.grain)
    if cell.is_partial_period and against not in list(Comparison):
        raise QuestionError(
            f"{cell.period.label} is in progress, and of {against} only the whole is published. Compare it with prior "
            "or last-year, of which as many days are published."
        )
    return TwoPeriods(cell, calendar, _earlier(connection, calendar, cell, against), tuple(notes))


def _earlier(connection: duckdb.DuckDBPyConnection, calendar: Periods, cell: Cell, against: str) -> Period:
    """The period that is compared with."""
    columns: dict[str, str] = {Comparison.prior: "prior_period_start", Comparison.last_year: "last_year_period_start"}
    column = columns.get(against)
    if column is None:
        try:
            found, _ = find_cell(connection, cell.variant.kpi_id, cell.variant.variant, against, calendar.grain)
        except QuestionError as error:
            raise QuestionError(str(error).replace("--period", "--against")) from None
        if found.period == cell.period:
            raise QuestionError(f"--against {against} is the period itself. Name another, or prior, or last-year.")
        return found.period
    row = connection.execute(
        f"select {column} from marts.dim_period where {all_of({'grain': calendar.grain})} "
        f"and period_start = cast('{cell.period.start}' as date)"
    ).fetchone()
    start = row[0] if row else None
    for one in calendar.periods:
        if one.start == start:
            return one
    raise QuestionError(
        f"{cell.in_words} has no {Comparison(against).of(calendar.grain)}: the published periods begin with "
        f"{calendar.periods[0].label}. Name another with --against."
    )
