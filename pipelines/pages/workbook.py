"""The sheets of a publication's workbook: the scorecard, a sheet per role, definitions and checks.

Belongs here: which rows and columns they have. Does not belong here: how a workbook is written (`output.py`).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pipelines.output import NUMBER_FORMATS, OTHER_NUMBERS, Formatted, Result, Sheet
from pipelines.pages.roles import ROLES, Page
from pipelines.pages.sections.tiles import tiles_of
from pipelines.pages.view import Measure, Row, View
from pipelines.pages.words import N_

_PERIODS = 13  # of the scorecard: a year, and the same period a year before
_SHARE = "0.0%"
# The columns of a published value, with DuckDB's types.
_OF_VALUE = {
    N_("KPI"): "VARCHAR",
    N_("Variant"): "VARCHAR",
    N_("Period"): "VARCHAR",
    N_("First day"): "DATE",
    N_("Complete"): "BOOLEAN",
    N_("Value"): "DECIMAL(38,12)",
    N_("Unit"): "VARCHAR",
    N_("Period before"): "DECIMAL(38,12)",
    N_("Change"): "DECIMAL(38,12)",
    N_("Change more than noise"): "BOOLEAN",
    N_("A year before"): "DECIMAL(38,12)",
    N_("Change in a year"): "DECIMAL(38,12)",
    N_("Change in a year more than noise"): "BOOLEAN",
    N_("Interval from"): "DECIMAL(38,12)",
    N_("Interval to"): "DECIMAL(38,12)",
    N_("Target"): "DECIMAL(38,12)",
    N_("Attained"): "DECIMAL(38,12)",
    N_("Cases"): "BIGINT",
    N_("Status"): "VARCHAR",
}
_OF_TILE = {**_OF_VALUE, N_("Data to"): "DATE", N_("Checks passed"): "BIGINT", N_("Checks failed"): "BIGINT"}
_OF_DEFINITION = {
    N_("KPI"): "VARCHAR",
    N_("Variant"): "VARCHAR",
    N_("Name"): "VARCHAR",
    N_("Unit"): "VARCHAR",
    N_("Formula"): "VARCHAR",
    N_("Meaning"): "VARCHAR",
}
_OF_CHECK = {
    N_("Passed"): "BOOLEAN",
    N_("Severity"): "VARCHAR",
    N_("Table"): "VARCHAR",
    N_("Check"): "VARCHAR",
    N_("Expected"): "VARCHAR",
    N_("Observed"): "VARCHAR",
    N_("Rows that fail"): "BIGINT",
    N_("Rows"): "BIGINT",
}


def sheets_of(view: View, roles: Iterable[Page] = tuple(ROLES.values())) -> Iterator[Sheet]:
    """The sheets of the publication that `view` reads, for the company and the chosen period, in its language."""
    yield _sheet(view, N_("Scorecard"), _OF_VALUE, _scorecard(view))
    for page in roles:
        yield _sheet(view, page.title, _OF_TILE, _tiles(view, page))
    yield _sheet(view, N_("Definitions"), _OF_DEFINITION, _definitions(view))
    yield _sheet(view, N_("Checks"), _OF_CHECK, _checks(view))


def _sheet(view: View, title: str, columns: dict[str, str], rows: Iterator[tuple[Any, ...]]) -> Sheet:
    names = [view.words.text(name) for name in columns]
    return Sheet(view.words.text(title), Result(names, list(columns.values()), rows))


def _scorecard(view: View) -> Iterator[tuple[Any, ...]]:
    last = view.calendar.periods[-_PERIODS:]
    found = view.rows(view.measures, periods=last)
    for row in sorted(found, key=lambda row: (row.kpi_id, row.variant, row.start)):
        if measure := view.measures.get((row.kpi_id, row.variant)):
            yield _values(view, measure, row)


def _tiles(view: View, page: Page) -> Iterator[tuple[Any, ...]]:
    """The values of a role's tiles: a row for the chosen period, and one for the period in progress after it."""
    for tile in tiles_of(view, page.measures):
        trust = tile.trust
        of_trust = (trust.data_through, trust.passed, trust.failed) if trust else (None, None, None)
        for row in filter(None, (tile.row, tile.so_far)):
            yield *_values(view, tile.measure, row), *of_trust


def _values(view: View, measure: Measure, row: Row) -> tuple[Any, ...]:
    """A published value as a row of a sheet; its numbers are formatted in its unit."""
    period = view.at(row.start)
    as_number = NUMBER_FORMATS.get(measure.unit, OTHER_NUMBERS)

    def numbers(*values: Any) -> Sequence[Formatted]:
        return [Formatted(value, as_number) for value in values]

    return (
        measure.kpi_name,
        measure.name,
        view.words.period(period, view.state.grain),
        row.start,
        not row.is_partial,
        *numbers(row.value),
        _unit(view, measure),
        *numbers(row.prior_value, row.delta),
        row.is_delta_significant,
        *numbers(row.last_year_value, row.last_year_delta),
        row.is_last_year_delta_significant,
        *numbers(row.ci_low, row.ci_high, row.target),
        Formatted(row.attainment, _SHARE),
        row.sample_size,
        row.status,
    )


def _unit(view: View, measure: Measure) -> str:
    return view.words.currency if measure.unit == "money" and view.words.currency else measure.unit


def _definitions(view: View) -> Iterator[tuple[Any, ...]]:
    for measure in sorted(view.measures.values(), key=lambda one: (one.kpi_id, not one.is_default, one.variant)):
        yield (
            measure.kpi_id,
            measure.variant,
            measure.name,
            _unit(view, measure),
            measure.formula,
            measure.description,
        )


def _checks(view: View) -> Iterator[tuple[Any, ...]]:
    """What the checks of the run that published found, those that failed first."""
    yield from view.execute(
        """
        select passed, severity, stage || '.' || "table", "check", expected, coalesce(error, observed),
            unexpected_count, element_count
        from meta.check_results
        where run_id = (select any_value(run_id) from meta.publication)
        order by passed, severity, stage, "table", "check"
        """
    ).fetchall()
