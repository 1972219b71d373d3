"""One KPI by period and entity, as a person asks for it.

Belongs here: which rows of the scorecard are meant, and their columns. Does not belong here: how they are printed or
written (`cli/printing`).
"""

from dataclasses import dataclass

import duckdb

from pipelines.answers.annotations import annotations_column
from pipelines.answers.cells import SCORECARD, Published, Variant, all_of, choose_variant, publication_of
from pipelines.answers.periods import Choice, Periods, choose_periods
from pipelines.sql import quote_text

_FIRST_COLUMNS = "kpi_id, variant, entity_type, entity_id, entity_name, grain, period_start, period_label"


@dataclass(frozen=True)
class Shown:
    """The rows that are meant: `query` selects them by period and entity."""

    publication: Published
    variant: Variant
    by: str
    periods: Periods
    query: str
    notes: list[str]  # about the choice


def find_rows(
    connection: duckdb.DuckDBPyConnection,
    kpi_id: str,
    by: str = "company",
    choice: Choice | None = None,
    variant: str | None = None,
) -> Shown:
    """The rows of the scorecard that are meant, by default those of the company's months.

    Their columns are those of `kpi_scorecard` with the period's label, the annotations that concern the row, and the
    unit, currency and publication of its value.

    Raises:
        NotPublishedError: the file was made by an earlier version.
        QuestionError: no such KPI, cut, variant or period is published; the message says what is.
    """
    publication = publication_of(connection)
    chosen, notes = choose_variant(connection, kpi_id, by, variant)
    cell = {"kpi_id": kpi_id, "variant": chosen.variant, "entity_type": by}
    what = f"{kpi_id} ({chosen.variant}) by {by}"
    periods = choose_periods(connection, choice or Choice(), cell, what, publication.as_of_date)
    has_currency = chosen.unit == "money" and publication.currency
    currency = quote_text(publication.currency) if has_currency else "cast(null as varchar)"
    query = f"""
        select {_FIRST_COLUMNS}, scorecard.* exclude ({_FIRST_COLUMNS.replace(", period_label", "")}),
            {annotations_column(connection)} as annotations,
            {quote_text(chosen.unit)} as unit,
            {currency} as currency, {quote_text(publication.publication_id)} as publication_id
        from {SCORECARD} as scorecard
        inner join (
            select grain, period_start, period_end, period_label from marts.dim_period
        ) as calendar using (grain, period_start)
        where {all_of(cell)} and {periods.condition}
        order by period_start, entity_id
        """
    return Shown(publication, chosen, by, periods, query, notes)
