"""What the pages behind a number show: how it was made, why it changed, and its values over time and by every cut.

Belongs here: reading that for one value. Does not belong here: the answers themselves (`pipelines.answers`), and the
pages of roles.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import groupby

from pipelines.answers.annotations import Annotation, annotations_of
from pipelines.answers.cells import find_cell
from pipelines.answers.explain import Explanation, Rows, explain
from pipelines.answers.formulas import formula_lines
from pipelines.answers.periods import Period, Periods
from pipelines.answers.questions import QuestionError
from pipelines.answers.rounding import decimal, rounded
from pipelines.answers.targets import Quotas, quotas_of
from pipelines.answers.why import Cut, Driver, Factor, Why, names_of_ratio, why
from pipelines.pages import charts
from pipelines.pages.charts import Point, Step
from pipelines.pages.sections.tiles import Tile, cuts_of, point_of, tiles_of
from pipelines.pages.view import COMPANY, CUTS, Measure, Row, View

_TREND = 25  # periods of a trend: two years of months, and the one in progress
# What platforms report may be fractions of conversions. All other parts with decimals are money.
_FRACTIONS = {"platform_conversions"}
_DRIVERS = 8  # entities of a waterfall; the others are summed up


def measure_of(view: View) -> Measure:
    """The variant that the URL names, by default the KPI's own.

    Raises:
        QuestionError: there is no such KPI or variant.
    """
    kpi_id, variant = view.state.kpi, view.state.variant
    of_kpi = [measure for measure in view.measures.values() if measure.kpi_id == kpi_id]
    if not of_kpi:
        known = sorted({measure.kpi_id for measure in view.measures.values()})
        raise QuestionError(f"kpi {kpi_id!r} is not published. Published: {', '.join(known)}.")
    found = next((one for one in of_kpi if one.variant == variant or (not variant and one.is_default)), None)
    if found is None:
        variants = ", ".join(measure.variant for measure in of_kpi)
        raise QuestionError(f"variant {variant!r} is not published for {kpi_id}. Published: {variants}.")
    return found


def cuts_of_kpi(view: View) -> tuple[str, ...]:
    """By what the variant that the URL names is published."""
    measure = measure_of(view)
    return cuts_of(view).get((measure.kpi_id, measure.variant), ())


@dataclass(frozen=True)
class Explained:
    """How a value was made, with the lines of its formula in the reader's numbers, and what it is measured against."""

    measure: Measure
    explanation: Explanation
    formula: tuple[tuple[str, str, str], ...]
    row: Row  # the cell as tiles and tables show it
    quotas: Quotas | None  # behind its target, if it has one

    def unit_of(self, part: str, rows: Rows) -> str:
        """The unit of what rows add to a part: `money`, or none."""
        return "money" if isinstance(rows.total, Decimal) and part not in _FRACTIONS else ""


def explained(view: View) -> Explained:
    """How the value that the URL names was made.

    Raises:
        QuestionError: no such value is published.
    """
    measure = measure_of(view)
    cell, _ = find_cell(
        view.connection, measure.kpi_id, measure.variant, view.period.label, view.state.grain, view.state.by
    )
    explanation = explain(view.connection, cell)
    [row] = view.rows([(measure.kpi_id, measure.variant)], cell.entity_type, cell.entity_id, [cell.period])
    quotas = quotas_of(view.connection, cell) if row.target is not None else None
    return Explained(measure, explanation, tuple(formula_lines(explanation, view.words.exact)), row, quotas)


@dataclass(frozen=True)
class Line:
    """A line of a waterfall. `driver` is None for what is summed up as other."""

    name: str
    amount: Fraction  # as shown: all lines and the earlier value add up to the later one
    exact: Fraction
    driver: Driver | None


@dataclass(frozen=True)
class Changed:
    """Why the company's value changed, with the cut that is drawn."""

    measure: Measure
    answer: Why
    factors: tuple[tuple[str, Factor], ...]  # with their names in the reader's language
    cut: Cut | None
    lines: tuple[Line, ...]
    drawn: str


def changed(view: View) -> Changed:
    """Why the value that the URL names changed against what it is compared with.

    Raises:
        QuestionError: no such value is published, or it cannot be compared.
    """
    measure, state = measure_of(view), view.state
    answer = why(view.connection, measure.kpi_id, view.period.label, state.compare, None, measure.variant, state.grain)
    cut, factors = _cut_to_draw(answer, state.cut), tuple(_named_factors(view, answer, measure))
    if cut is None or cut.why_not:
        return Changed(measure, answer, factors, cut, (), "")
    lines = tuple(_lines(view, answer, cut))
    words = view.words
    steps = [
        Step(
            words.short_period(answer.against, state.grain),
            float(answer.before),
            True,
            _value(view, answer.before, measure),
        ),
        *(Step(line.name, float(line.amount), text=words.signed(decimal(line.amount), measure.unit)) for line in lines),
        Step(
            words.short_period(answer.period, state.grain),
            float(answer.after),
            True,
            _value(view, answer.after, measure),
        ),
    ]
    title = words.text("%(kpi)s: what each part contributed to the change", kpi=measure.name)
    return Changed(
        measure, answer, factors, cut, lines, charts.waterfall(steps, title, measure.good_direction == "down")
    )


def _value(view: View, value: Fraction, measure: Measure) -> str:
    return view.words.value(decimal(value), measure.unit)


def _named_factors(view: View, answer: Why, measure: Measure) -> Iterator[tuple[str, Factor]]:
    """The factors with their names: of a ratio, what its formula says, and else what the KPI tree says."""
    of_formula = dict(zip(names_of_ratio(answer.variant.formula), names_of_ratio(measure.formula), strict=True))
    for factor in answer.factors:
        name = of_formula.get(factor.name, factor.name)
        yield view.words.text(name) if name == factor.name else name, factor


def _cut_to_draw(answer: Why, wanted: str) -> Cut | None:
    """The cut that the reader looks at, or else that of the most unusual change."""
    if wanted != COMPANY and any(cut.entity_type == wanted for cut in answer.cuts):
        return answer.cut(wanted)
    if answer.ranking:
        return answer.cut(answer.ranking[0].entity_type)
    return next((cut for cut in answer.cuts if not cut.why_not), answer.cuts[0] if answer.cuts else None)


def _lines(view: View, answer: Why, cut: Cut) -> list[Line]:
    """The entities that contributed most, and the others together."""
    shown = cut.drivers if len(cut.drivers) <= _DRIVERS + 1 else cut.drivers[:_DRIVERS]
    rest = cut.drivers[len(shown) :]
    exact = [driver.contribution or Fraction(0) for driver in shown]
    names = [driver.name for driver in shown]
    if rest:
        exact.append(sum((driver.contribution or Fraction(0) for driver in rest), Fraction(0)))
        names.append(view.words.counted("%(num)s other", "%(num)s others", len(rest)))
    amounts = rounded(exact, answer.variant.unit)
    drivers: list[Driver | None] = [*shown, *([None] if rest else [])]
    return [Line(*line) for line in zip(names, amounts, exact, drivers, strict=True)]


@dataclass(frozen=True)
class Defined:
    """A variant, and the cuts by which it is published."""

    measure: Measure
    cuts: tuple[str, ...]


def handbook(view: View) -> list[list[Defined]]:
    """All KPIs by name, each with its variants, its own first."""
    published_by = cuts_of(view)
    measures = sorted(view.measures.values(), key=lambda one: (one.kpi_name, one.kpi_id, *_default_first(one)))
    defined = [
        Defined(one, tuple(cut for cut in CUTS if cut in published_by.get((one.kpi_id, one.variant), ())))
        for one in measures
    ]
    return [list(of_kpi) for _, of_kpi in groupby(defined, key=lambda one: one.measure.kpi_id)]


@dataclass(frozen=True)
class OverTime:
    """A variant over time, and by every cut in the chosen period."""

    measure: Measure
    tile: Tile
    variants: tuple[Measure, ...]
    drawn: str
    rows: tuple[tuple[Period, Row], ...]  # newest first
    cuts: tuple[tuple[str, tuple[Row, ...]], ...]
    annotations: tuple[Annotation, ...]


def over_time(view: View) -> OverTime:
    """The values of a variant over time for the chosen entity, and by every cut in the chosen period.

    Raises:
        QuestionError: there is no such KPI, variant or entity.
    """
    measure, state = measure_of(view), view.state
    asked = [(measure.kpi_id, measure.variant)]
    [tile] = tiles_of(view, asked)
    entity = None if state.cut == COMPANY else state.entity
    at = {row.start: row for row in view.rows(asked, state.cut, entity)}
    periods = [period for period in view.calendar.periods if period.start in at][-_TREND:]
    annotations = _annotations(view, measure, periods)
    points = [_marked(point_of(view, measure, at[period.start], period), period, annotations) for period in periods]
    ends = [value for point in points for value in (point.value, point.low, point.high) if value is not None]
    axis = [(end, view.words.value(end, measure.unit)) for end in ({min(ends), max(ends)} if ends else ())]
    title = view.words.text("%(kpi)s over time", kpi=measure.name)
    drawn = charts.trend(points, title, axis) if len(ends) > 1 else ""
    return OverTime(
        measure,
        tile,
        tuple(sorted((one for one in view.measures.values() if one.kpi_id == measure.kpi_id), key=_default_first)),
        drawn,
        tuple((period, at[period.start]) for period in reversed(periods)),
        tuple((cut, _by_size(view, measure, cut)) for cut in CUTS if cut in cuts_of_kpi(view)),
        annotations,
    )


def _by_size(view: View, measure: Measure, cut: str) -> tuple[Row, ...]:
    """The entities of a cut in the chosen period, those with the most cases or the largest amount first."""
    rows = view.rows([(measure.kpi_id, measure.variant)], cut, periods=[view.period])
    return tuple(sorted(rows, key=lambda row: (-(row.sample_size or 0), -(row.value or 0), row.entity_name)))


def _default_first(measure: Measure) -> tuple[bool, str]:
    return not measure.is_default, measure.variant


def _annotations(view: View, measure: Measure, periods: Sequence[Period]) -> tuple[Annotation, ...]:
    shown = Periods(view.state.grain, view.calendar.periods, frozenset[date](period.start for period in periods))
    return tuple(annotations_of(view.connection, measure.kpi_id, view.state.cut, shown))


def _marked(point: Point, period: Period, annotations: Sequence[Annotation]) -> Point:
    """The point of a period, marked if an annotation concerns it."""
    marked = any(one.starts_on < period.end and one.ends_on >= period.start for one in annotations)
    return replace(point, is_marked=marked)
