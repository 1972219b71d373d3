"""Measures over time: a row per period, with intervals on one axis, and what is not known yet shown as that.

Belongs here: cohorts of leads, and rates of closed deals, period by period.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from markupsafe import Markup

from pipelines.answers.periods import Period
from pipelines.pages import charts
from pipelines.pages.sections import Missing, Section
from pipelines.pages.sections.limits import not_by, not_delivered
from pipelines.pages.sections.tiles import cuts_of
from pipelines.pages.view import COMPANY, Measure, Row, View

_PERIODS = 13


@dataclass(frozen=True)
class Column:
    """A measure; with an axis if its values have intervals."""

    measure: Measure
    axis: Markup
    has_interval: bool


@dataclass(frozen=True)
class Value:
    """A measure in a period; no row if nothing is published for it."""

    row: Row | None
    chart: Markup


@dataclass(frozen=True)
class History:
    """The measures, and their values by period, the newest first."""

    columns: tuple[Column, ...]
    lines: tuple[tuple[Period, tuple[Value, ...]], ...]


def history(name: str, title: str, *measures: tuple[str, str], note: str = "") -> Section:
    """A section with the last periods of some measures."""
    return Section(name, title, partial(history_of, measures=measures), "history", note, is_of_entity=True)


def history_of(view: View, measures: Sequence[tuple[str, str]]) -> History | Missing:
    """The measures for what the page is filtered by, until the period in progress, or why there are none."""
    published = cuts_of(view)
    shown = [one for one in measures if view.state.cut in published.get(one, ())]
    if not shown:
        cuts = sorted({cut for one in measures for cut in published.get(one, ()) if cut != COMPANY})
        return _nothing(view, measures) if view.state.cut == COMPANY else not_by(view, *cuts)
    until = (view.in_progress or view.period).end
    periods = [period for period in view.calendar.periods if period.end <= until][-_PERIODS:]
    rows = view.rows(shown, view.state.cut, view.state.entity or COMPANY, periods)
    if not any(row.sample_size for row in rows):
        return _nothing(view, measures)
    company = [] if view.state.cut == COMPANY else view.rows(shown, COMPANY, periods=periods)
    references = {(row.start, row.kpi_id, row.variant): row.value for row in company}
    at = {(row.start, row.kpi_id, row.variant): row for row in rows}
    of_measure = {one: [row for row in rows if (row.kpi_id, row.variant) == one] for one in shown}
    with_interval = [one for one in shown if any(row.ci_low is not None for row in of_measure[one])]
    # Rates of the same KPI are compared along a line, too: they share one axis.
    bounds = [
        float(bound)
        for one in with_interval
        for row in of_measure[one]
        for bound in (row.ci_low, row.ci_high)
        if bound is not None
    ]
    ends = (min(bounds), max(bounds)) if bounds else (0.0, 1.0)

    def value(one: tuple[str, str], period: Period) -> Value:
        row = at.get((period.start, *one))
        if row is None or row.ci_low is None:
            return Value(row, Markup(""))
        reference = references.get((period.start, *one))
        chart = charts.interval(
            float(row.ci_low),
            float(row.value),
            float(row.ci_high),
            ends,
            view.words.value(row.value, view.measures[one].unit),
            None if reference is None else float(reference),
        )
        return Value(row, chart)

    def column(one: tuple[str, str]) -> Column:
        measure = view.measures[one]
        if one not in with_interval:
            return Column(measure, Markup(""), False)
        low, high = (view.words.value(end, measure.unit) for end in ends)
        label = view.words.text("from %(low)s to %(high)s", low=low, high=high)
        return Column(measure, charts.axis(ends, low, high, label), True)

    return History(
        tuple(column(one) for one in shown),
        tuple((period, tuple(value(one, period) for one in shown)) for period in reversed(periods)),
    )


def _nothing(view: View, measures: Sequence[tuple[str, str]]) -> Missing:
    needed = "leads" if measures[0][0] == "lead_conversion" else "opportunities"
    return not_delivered(view, needed) or Missing(view.words.text("There are no cases in these periods."))
