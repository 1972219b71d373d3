"""A variant of a KPI over time: a chart with its intervals and remarks, and the same numbers as a table."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from pipelines.answers.annotations import annotations_of
from pipelines.answers.periods import Period, Periods
from pipelines.pages.charts import Point
from pipelines.pages.sections.tiles import point_of
from pipelines.pages.view import COMPANY, Measure, Row, View

PERIODS = 13  # a year and the same period a year before


@dataclass(frozen=True)
class Trend:
    """The newest periods of a variant, with what was noted about each."""

    measure: Measure
    periods: Sequence[Period]
    rows: Sequence[Row | None]  # one per period
    points: Sequence[Point]
    axis: Sequence[tuple[float, str]]
    remarks: Sequence[Sequence[str]]

    @property
    def is_known(self) -> bool:
        return any(row is not None and row.value is not None for row in self.rows)


def shown_periods(view: View) -> list[Period]:
    """The periods of trends: up to the chosen one, and the one in progress after it."""
    return [one for one in view.calendar.periods if one.end <= (view.in_progress or view.period).end][-PERIODS:]


def trends_of(view: View, measures: Iterable[tuple[str, str]]) -> list[Trend]:
    """The trend of each published variant for the reader's cut."""
    wanted = [one for one in measures if one in view.measures]
    periods = shown_periods(view)
    rows: dict[tuple[str, str], dict[date, Row]] = {}
    for row in view.rows(wanted, view.state.cut, view.state.entity or None, periods):
        rows.setdefault((row.kpi_id, row.variant), {})[row.start] = row
    remarks = {kpi_id: _remarks(view, kpi_id, periods) for kpi_id in dict(wanted)}
    return [_trend(view, view.measures[one], rows.get(one, {}), periods, remarks[one[0]]) for one in wanted]


def _trend(
    view: View, measure: Measure, rows: Mapping[date, Row], periods: Sequence[Period], remarks: Sequence[Sequence[str]]
) -> Trend:
    of_periods = [rows.get(period.start) for period in periods]
    points = [
        replace(point_of(view, measure, row, period), is_marked=bool(noted))
        for row, period, noted in zip(of_periods, periods, remarks, strict=True)
    ]
    values = [one for point in points for one in (point.value, point.low, point.high) if one is not None]
    axis = [(value, view.words.value(value, measure.unit)) for value in ticks(values)]
    return Trend(measure, periods, of_periods, points, axis, remarks)


def _remarks(view: View, kpi_id: str, periods: Sequence[Period]) -> list[list[str]]:
    """What was noted about the KPI in each period, of the chosen entity or, for who may see it, of the company."""
    shown = Periods(view.state.grain, view.calendar.periods, frozenset(period.start for period in periods))
    found = [
        one
        for one in annotations_of(view.connection, kpi_id, view.state.cut, shown)
        if one.entity_id == (view.state.entity or COMPANY) or (one.entity_id is None and not view.only)
    ]
    return [
        [one.text for one in found if one.starts_on < period.end and one.ends_on >= period.start] for period in periods
    ]


def ticks(values: Sequence[float], about: int = 5) -> list[float]:
    """Round numbers, some `about` of them, between the least and the largest of the values."""
    if not values:
        return []
    low, high = min(values), max(values)
    if low == high:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * nice for nice in (1, 2, 5, 10) if power * nice >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]
