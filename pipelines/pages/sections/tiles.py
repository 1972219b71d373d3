"""KPI tiles: each shows one variant with all that a reader needs to judge it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pipelines.answers.periods import Comparison, Period
from pipelines.pages.charts import Point
from pipelines.pages.sections import Section
from pipelines.pages.trust import Trust, trust_in
from pipelines.pages.view import COMPANY, Measure, Row, View
from pipelines.pages.words import N_

_HISTORY = 13  # periods of a sparkline: a year and the same period a year before


@dataclass(frozen=True)
class Change:
    """How a value differs from an earlier one; `is_better` is None if neither is good."""

    comparison: Comparison
    earlier: Decimal | None
    delta: Decimal
    is_significant: bool | None
    is_better: bool | None

    @property
    def column(self) -> str:
        """The column of the scorecard with the change."""
        return "delta" if self.comparison is Comparison.prior else "last_year_delta"


@dataclass(frozen=True)
class Tile:
    """One variant of a KPI in the chosen period."""

    measure: Measure
    row: Row | None  # None: not published for the chosen cut
    changes: tuple[Change, ...]
    so_far: Row | None  # the period in progress, after the chosen one
    newest: Row | None  # the newest known value, if the chosen period has none
    history: tuple[Point, ...]
    trust: Trust | None
    cuts: tuple[str, ...]  # by which the KPI is published


def tiles(*measures: tuple[str, str], name: str = "kpis", title: str = N_("Key figures")) -> Section:
    """A section with a tile per measure, as (KPI, variant)."""
    return Section(name, title, lambda view: tiles_of(view, measures), "tiles", is_of_entity=True, measures=measures)


def tiles_of(view: View, measures: Sequence[tuple[str, str]]) -> list[Tile]:
    """The tiles of `measures` for the chosen cut and period."""
    state = view.state
    entity = None if state.cut == COMPANY else state.entity
    by_measure: dict[tuple[str, str], list[Row]] = {}
    for row in view.rows(measures, state.cut, entity):
        by_measure.setdefault((row.kpi_id, row.variant), []).append(row)
    trust = trust_in(view.connection, view.opened)
    cuts = cuts_of(view)
    return [
        _tile(view, view.measures[one], by_measure.get(one, []), trust, cuts.get(one, ()))
        for one in measures
        if one in view.measures
    ]


def cuts_of(view: View) -> Mapping[tuple[str, str], tuple[str, ...]]:
    """By what each variant is published; read once per publication."""
    if "cuts" not in view.opened.known:
        rows = view.execute(
            "select kpi_id, variant, list(distinct entity_type order by entity_type) "
            "from marts.kpi_scorecard group by all"
        ).fetchall()
        view.opened.known["cuts"] = {(kpi_id, variant): tuple(cuts) for kpi_id, variant, cuts in rows}
    known: Mapping[tuple[str, str], tuple[str, ...]] = view.opened.known["cuts"]
    return known


def _tile(view: View, measure: Measure, rows: Sequence[Row], trust: Mapping[str, Trust], cuts: tuple[str, ...]) -> Tile:
    at = {row.start: row for row in rows}
    row = at.get(view.period.start)
    until = [one for one in view.calendar.periods if one.end <= (view.in_progress or view.period).end][-_HISTORY:]
    history = tuple(point_of(view, measure, at.get(one.start), one) for one in until)
    newest = None
    if row is not None and row.value is None:
        newest = next((one for one in reversed(rows) if one.value is not None and one.start < view.period.start), None)
    return Tile(
        measure,
        row,
        changes_of(row, measure) if row else (),
        at.get(view.in_progress.start) if view.in_progress else None,
        newest,
        history,
        trust.get(measure.kpi_id),
        cuts,
    )


def changes_of(row: Row, measure: Measure) -> tuple[Change, ...]:
    """The changes since the period before and a year before, where both values are known."""
    changes = []
    for comparison in Comparison:
        earlier, delta, is_significant = row.compared(comparison)
        if delta is None:  # of what is immature, too: the scorecard compares like with like only
            continue
        better = (
            None if delta == 0 or measure.good_direction == "none" else (delta > 0) == (measure.good_direction == "up")
        )
        changes.append(Change(comparison, earlier, delta, is_significant, better))
    return tuple(changes)


def ends_of(rows: Sequence[Row]) -> tuple[float, float] | None:
    """The smallest and largest number that a chart of these rows shows; None if there is none."""
    shown = [
        float(value)
        for row in rows
        if row.value is not None
        for value in (row.value, row.ci_low, row.ci_high, row.target, row.prior_value)
        if value is not None
    ]
    return (min(shown), max(shown)) if shown else None


def point_of(view: View, measure: Measure, row: Row | None, period: Period) -> Point:
    """A period of a chart."""
    label = view.words.short_period(period, view.state.grain)
    if row is None:
        return Point(label, None)
    return Point(
        label,
        _float(row.value),
        _float(row.ci_low),
        _float(row.ci_high),
        _float(row.target),
        row.is_partial,
        text=view.words.value(row.value, measure.unit),
    )


def _float(value: object) -> float | None:
    return None if value is None else float(str(value))
