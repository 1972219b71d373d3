"""Why a published number changed from one period to another: its factors, and the parts of every cut.

Belongs here: which cells are compared, what of them adds up, and the order of what is found. Does not belong here: the
arithmetic of effects (`effects.py`), the statistics (`noise.py`), and sentences (`cli/printing/why.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import duckdb

from pipelines.answers.cells import SCORECARD, Cell, Published, Variant, all_of, find_cell, publication_of, unknown
from pipelines.answers.effects import (
    NOTHING,
    ZERO,
    Ratio,
    VolumeMixRate,
    effects_of_factors,
    mix_and_rate,
    volume_mix_and_rate,
    whole,
)
from pipelines.answers.noise import LEVEL, Sample, Verdict, judge
from pipelines.answers.periods import Comparison, Grain, Period, Periods
from pipelines.answers.questions import QuestionError

# A published value is `scale` * numerator / denominator + `offset`: a ratio, NPS, growth.
_SHAPES = ((1, 0), (100, 0), (1, -1))
_AGREES = Fraction(1, 10**9)  # relative to values above 1: the scorecard rounds to twelve decimals
_HISTORY = 24  # how many earlier changes say what is usual
_WIDTH_OF_95_PERCENT = 3.92  # in standard errors


@dataclass(frozen=True)
class Factor:
    """What the KPI is made of, and what its change contributes."""

    name: str
    before: Fraction
    after: Fraction
    effect: Fraction


@dataclass(frozen=True)
class Driver:
    """An entity of a cut, and what it contributes to the company's change.

    `contribution` is None where the parts of the cut do not add up to the company. `mix` and `rate` exist for ratios,
    and add up to it. `expected` is the entity's share of the change if all entities had changed alike. `p_value` is
    corrected for the number of entities of all cuts.
    """

    entity_id: str
    name: str
    before: Fraction | None
    after: Fraction | None
    cases_before: int
    cases_after: int
    contribution: Fraction | None = None
    mix: Fraction | None = None
    rate: Fraction | None = None
    expected: Fraction | None = None
    verdict: Verdict | None = None
    p_value: float | None = None

    @property
    def stands_out(self) -> bool:
        """Whether its change is more than noise, given how many entities are compared."""
        return self.p_value is not None and self.p_value < LEVEL

    @property
    def is_new(self) -> bool:
        """Whether there was nothing of it in the earlier period."""
        return not self.cases_before and not self.before and bool(self.cases_after or self.after)

    @property
    def is_lost(self) -> bool:
        """Whether there is nothing of it any more."""
        return not self.cases_after and not self.after and bool(self.cases_before or self.before)


@dataclass(frozen=True)
class Cut:
    """The entities of one type, the largest drivers first; `why_not` says why they do not add up to the company."""

    entity_type: str
    drivers: tuple[Driver, ...]
    why_not: str = ""
    numerator: VolumeMixRate | None = None  # of a ratio whose parts add up: why its numerator changed


@dataclass(frozen=True)
class Finding:
    """An entity of some cut, as one line of the ranking."""

    entity_type: str
    driver: Driver


@dataclass(frozen=True)
class Why:
    """The answer. Everything is in the unit of the KPI, as published; rates are fractions of 1."""

    publication: Published
    variant: Variant
    period: Period
    against: Period
    to_date: bool
    before: Fraction
    after: Fraction
    factors: tuple[Factor, ...]
    cuts: tuple[Cut, ...]
    ranking: tuple[Finding, ...]
    compared: int  # how many entities were judged
    notes: tuple[str, ...]

    @property
    def change(self) -> Fraction:
        """What is explained."""
        return self.after - self.before

    @property
    def named(self) -> tuple[Finding, ...]:
        """Where the change sits: the entities that changed more than noise, the most unusual first."""
        return tuple(finding for finding in self.ranking if finding.driver.stands_out)

    def cut(self, entity_type: str) -> Cut:
        """The cut of this type."""
        return next(cut for cut in self.cuts if cut.entity_type == entity_type)


def why(
    connection: duckdb.DuckDBPyConnection,
    kpi_id: str,
    period: str | None = None,
    against: str = Comparison.prior,
    by: str | None = None,
    variant: str | None = None,
    grain: Grain | None = None,
) -> Why:
    """Why the company's value changed: from the period before, the same one a year before, or one that is named.

    `period` is a label like `2025-Q3`, by default the last complete one. With `by`, only that cut is looked at.

    Raises:
        QuestionError: no such value is published, or it cannot be compared; the message says what can be.
    """
    cell, notes = find_cell(connection, kpi_id, variant, period, grain)
    chosen = cell.variant
    calendar = _calendar(connection, cell, grain)
    earlier = _earlier(connection, calendar, cell, against)
    rows = _rows(connection, chosen, calendar.grain)
    before, after = (_company(rows, chosen, one, calendar) for one in (earlier, cell.period))
    cuts = {entity_type for entity_type, _, _ in rows if entity_type != "company"}
    if by is not None:
        if by not in cuts:
            raise unknown("--by", by, sorted(cuts), chosen.kpi_id)
        cuts = {by}
    shape = _shape(before, after)
    seen = [_cut(rows, entity_type, calendar, earlier, cell.period, shape) for entity_type in sorted(cuts)]
    seen, compared = _corrected(seen)
    return Why(
        publication=publication_of(connection),
        variant=chosen,
        period=cell.period,
        against=earlier,
        to_date=cell.is_partial_period,
        before=_value(before, shape),
        after=_value(after, shape),
        factors=_factors(chosen, before, after, shape),
        cuts=tuple(seen),
        ranking=_ranking(seen),
        compared=compared,
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class _Row:
    """What the scorecard has of one entity in one period."""

    name: str
    value: Fraction | None
    numerator: Fraction | None
    denominator: Fraction | None
    cases: int
    error: float | None  # the standard error of the value, for rates and scores
    status: str
    is_partial: bool

    @property
    def ratio(self) -> Ratio:
        """Numerator and denominator; a sum is its own numerator."""
        return Ratio(self.numerator or ZERO, self.denominator or ZERO)


_Rows = Mapping[tuple[str, date, str], _Row]  # by entity type, first day of the period and entity


@dataclass(frozen=True)
class _Shape:
    """How a value follows from numerator and denominator: a sum, a ratio with a scale, or not at all."""

    is_sum: bool
    is_ratio: bool
    scale: int = 1
    offset: int = 0

    @property
    def in_words(self) -> str:
        """Why nothing adds up, if it does not."""
        return "" if self.is_sum or self.is_ratio else "it is neither a sum nor a ratio of sums, such as a median"


def _calendar(connection: duckdb.DuckDBPyConnection, cell: Cell, grain: Grain | None) -> Periods:
    """The periods of the grain to which the cell's period belongs."""
    for one in [grain] if grain else Grain:
        periods = Periods.of(connection, one)
        if cell.period in periods.periods:
            return periods
    raise AssertionError(cell.period)


def _earlier(connection: duckdb.DuckDBPyConnection, calendar: Periods, cell: Cell, against: str) -> Period:
    """The period that is compared with."""
    column = {Comparison.prior: "prior_period_start", Comparison.last_year: "last_year_period_start"}.get(
        against  # type: ignore[call-overload]
    )
    if column is None:
        found, _ = find_cell(connection, cell.variant.kpi_id, cell.variant.variant, against, calendar.grain)
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


def _rows(connection: duckdb.DuckDBPyConnection, variant: Variant, grain: Grain) -> _Rows:
    """All that the scorecard has of a variant at one grain."""
    where = all_of({"kpi_id": variant.kpi_id, "variant": variant.variant, "grain": grain})
    has_error = variant.unit in ("rate", "score")
    found: dict[tuple[str, date, str], _Row] = {}
    for kind, start, entity, name, value, top, bottom, cases, low, high, status, is_partial in connection.execute(
        f"""
        select entity_type, period_start, entity_id, coalesce(entity_name, entity_id), value, numerator, denominator,
            sample_size, ci_low, ci_high, status, is_partial_period
        from {SCORECARD}
        where {where}
        """
    ).fetchall():
        error = float(high - low) / _WIDTH_OF_95_PERCENT if has_error and low is not None and high is not None else None
        found[kind, start, entity] = _Row(
            name, _fraction(value), _fraction(top), _fraction(bottom), cases or 0, error, status, is_partial
        )
    return found


def _fraction(value: Decimal | None) -> Fraction | None:
    return None if value is None else Fraction(value)


def _company(rows: _Rows, variant: Variant, period: Period, calendar: Periods) -> _Row:
    """The company's row of a period.

    Raises:
        QuestionError: it has no value.
    """
    row = rows.get(("company", period.start, "company"))
    if row is not None and row.value is not None:
        return row
    what = f"{variant.kpi_id} ({variant.variant}) has no value for {period.label}"
    why_not = f" (status {row.status})" if row else ""
    known = [start for (kind, start, _), one in rows.items() if kind == "company" and one.value is not None]
    which = f"Known: {calendar.in_words(known)}." if known else "It has no value at all."
    raise QuestionError(f"{what}{why_not}, so that no change can be explained. {which}")


def _shape(*company: _Row) -> _Shape:
    """How the company's published values follow from their numerators and denominators."""
    if all(row.denominator is None and row.value == row.numerator for row in company):
        return _Shape(is_sum=True, is_ratio=False)
    for scale, offset in _SHAPES:
        if all(_agrees(row, scale, offset) for row in company):
            return _Shape(is_sum=False, is_ratio=True, scale=scale, offset=offset)
    return _Shape(is_sum=False, is_ratio=False)


def _agrees(row: _Row, scale: int, offset: int) -> bool:
    if row.numerator is None or not row.denominator or row.value is None:
        return False
    return abs(scale * row.numerator / row.denominator + offset - row.value) <= _AGREES * max(
        Fraction(1), abs(row.value)
    )


def _value(row: _Row, shape: _Shape) -> Fraction:
    """A company's value, exactly: the published one is rounded to twelve decimals."""
    assert row.value is not None
    if not shape.is_ratio:
        return row.value
    assert row.numerator is not None
    assert row.denominator
    return shape.scale * row.numerator / row.denominator + shape.offset


def _factors(variant: Variant, before: _Row, after: _Row, shape: _Shape) -> tuple[Factor, ...]:
    """The numerator and the denominator of a ratio, and what the change of each contributes."""
    if not shape.is_ratio:
        return ()
    (top, bottom), (later_top, later_bottom) = ((row.ratio.numerator, row.ratio.denominator) for row in (before, after))
    effects = effects_of_factors([shape.scale * top, 1 / bottom], [shape.scale * later_top, 1 / later_bottom])
    names = _names_of_ratio(variant) if not shape.offset else ("numerator", "denominator")
    return tuple(Factor(*each) for each in zip(names, (top, bottom), (later_top, later_bottom), effects, strict=True))


def _names_of_ratio(variant: Variant) -> tuple[str, str]:
    """What a ratio's formula calls its numerator and denominator."""
    top, divided, bottom = variant.formula.partition(" ÷ ")
    if not divided or "÷" in bottom:
        return "numerator", "denominator"
    return top.removeprefix("(").removesuffix(")"), bottom


def _cut(rows: _Rows, entity_type: str, calendar: Periods, before: Period, after: Period, shape: _Shape) -> Cut:
    """The entities of one type, with what each contributes if all of them add up to the company."""
    of_period = {one: _of_cut(rows, entity_type, one.start) for one in (before, after)}
    names = {**of_period[before], **of_period[after]}
    drivers = {
        entity_id: _driver(entity_id, row.name, *(of_period[one].get(entity_id) for one in (before, after)))
        for entity_id, row in names.items()
    }
    why_not = shape.in_words or _why_it_does_not_add_up(rows, of_period)
    if why_not:
        by_cases = sorted(drivers.values(), key=lambda one: (-max(one.cases_before, one.cases_after), one.entity_id))
        return Cut(entity_type, tuple(by_cases), why_not)
    first, last = ({entity: row.ratio for entity, row in of_period[one].items()} for one in (before, after))
    split = _sum_drivers(drivers, first, last) if shape.is_sum else _ratio_drivers(drivers, first, last, shape.scale)
    verdicts = _verdicts(rows, entity_type, calendar, before, after, shape)
    judged = [
        replace(driver, verdict=_scaled(verdicts[entity], shape.scale)) if entity in verdicts else driver
        for entity, driver in split.items()
    ]
    judged.sort(key=lambda one: (-abs(one.contribution or ZERO), one.entity_id))
    return Cut(entity_type, tuple(judged), numerator=None if shape.is_sum else volume_mix_and_rate(first, last))


def _driver(entity_id: str, name: str, before: _Row | None, after: _Row | None) -> Driver:
    """An entity with its values, of which a period may have none."""
    return Driver(
        entity_id,
        name,
        before=before.value if before else None,
        after=after.value if after else None,
        cases_before=before.cases if before else 0,
        cases_after=after.cases if after else 0,
    )


def _of_cut(rows: _Rows, entity_type: str, start: date) -> dict[str, _Row]:
    """The entities of one type in one period. Those without anything to count are left out."""
    return {
        entity: row
        for (kind, first_day, entity), row in rows.items()
        if kind == entity_type and first_day == start and (row.numerator or row.denominator or row.cases or row.value)
    }


def _why_it_does_not_add_up(rows: _Rows, of_period: Mapping[Period, Mapping[str, _Row]]) -> str:
    """The reason for which a cut's entities are not the company in one of the periods; nothing if they are."""
    for period, entities in of_period.items():
        unknown_of = [row.name for row in entities.values() if row.numerator is None]
        if unknown_of:
            return f"nothing is known of {', '.join(sorted(unknown_of))} in {period.label}"
        company, parts = rows["company", period.start, "company"].ratio, [row.ratio for row in entities.values()]
        of_parts = whole({str(number): part for number, part in enumerate(parts)})
        for name, total, sum_of_parts in (
            ("numerators", company.numerator, of_parts.numerator),
            ("denominators", company.denominator, of_parts.denominator),
        ):
            if abs(total - sum_of_parts) > _AGREES * max(Fraction(1), abs(total)):
                what = name if company.denominator else "values"
                return (
                    f"the {what} add up to {float(sum_of_parts):,.2f} in {period.label}, and the company has "
                    f"{float(total):,.2f}: something is in two of them, in none, or counted once per entity"
                )
    return ""


def _sum_drivers(
    drivers: Mapping[str, Driver], before: Mapping[str, Ratio], after: Mapping[str, Ratio]
) -> dict[str, Driver]:
    """The contributions to the change of a sum, and what each would be if all had changed alike."""
    first, last = whole(before).numerator, whole(after).numerator
    found = {}
    for entity, driver in drivers.items():
        was, is_now = before.get(entity, NOTHING).numerator, after.get(entity, NOTHING).numerator
        share = (was + is_now) / (first + last) if first + last else None
        expected = None if share is None else share * (last - first)
        found[entity] = replace(driver, contribution=is_now - was, expected=expected)
    return found


def _ratio_drivers(
    drivers: Mapping[str, Driver], before: Mapping[str, Ratio], after: Mapping[str, Ratio], scale: int
) -> dict[str, Driver]:
    """The contributions to the change of a ratio by mix and rate, and what each would be if all had changed alike."""
    bottoms = [whole(parts).denominator for parts in (before, after)]
    effects = mix_and_rate(before, after)
    change = scale * sum((effect.total for effect in effects.values()), ZERO)
    found = {}
    for entity, driver in drivers.items():
        weight = sum(
            (
                parts.get(entity, NOTHING).denominator / bottom
                for parts, bottom in zip((before, after), bottoms, strict=True)
            ),
            ZERO,
        )
        effect = effects[entity]
        found[entity] = replace(
            driver,
            contribution=scale * effect.total,
            mix=scale * effect.mix,
            rate=scale * effect.rate,
            expected=weight / 2 * change,
        )
    return found


def _verdicts(
    rows: _Rows, entity_type: str, calendar: Periods, before: Period, after: Period, shape: _Shape
) -> dict[str, Verdict]:
    """How unusual the change of each entity is, compared with earlier changes over as many periods."""
    starts = [one.start for one in calendar.periods if one.is_complete and one.start < after.start]
    positions = {one.start: position for position, one in enumerate(calendar.periods)}
    distance = positions[after.start] - positions[before.start]
    lag = distance if 0 < distance <= len(starts) - _HISTORY // 3 else 1
    pairs = list(zip(starts, starts[lag:], strict=False))[-_HISTORY:]
    samples: dict[date, dict[str, Sample]] = {}
    for start in {before.start, after.start, *(start for pair in pairs for start in pair)}:
        of_period = _of_cut(rows, entity_type, start)
        samples[start] = {entity: _sample(row, shape) for entity, row in of_period.items() if row.numerator is not None}
    return judge(samples[before.start], samples[after.start], [(samples[a], samples[b]) for a, b in pairs])


def _sample(row: _Row, shape: _Shape) -> Sample:
    assert row.numerator is not None
    denominator = None if shape.is_sum else float(row.denominator or 0)
    error = None if row.error is None or row.value is None else row.error / shape.scale
    return Sample(float(row.numerator), denominator, row.cases, error)


def _scaled(verdict: Verdict, scale: int) -> Verdict:
    return replace(verdict, surprise=verdict.surprise * scale)


def _corrected(cuts: Sequence[Cut]) -> tuple[list[Cut], int]:
    """The cuts with p-values that are corrected for how many entities are judged, and that number.

    Bonferroni's correction holds whatever the dependence between entities, and they do depend on each other: cuts show
    the same cases from several sides.
    """
    compared = sum(driver.verdict is not None for cut in cuts for driver in cut.drivers)
    return [
        replace(
            cut,
            drivers=tuple(
                replace(driver, p_value=min(1.0, driver.verdict.p_value * compared)) if driver.verdict else driver
                for driver in cut.drivers
            ),
        )
        for cut in cuts
    ], compared


def _ranking(cuts: Iterable[Cut]) -> tuple[Finding, ...]:
    """The entities of all cuts, those whose change is the most unusual first."""
    findings = [Finding(cut.entity_type, driver) for cut in cuts for driver in cut.drivers if driver.verdict]
    return tuple(sorted(findings, key=lambda one: -abs(one.driver.verdict.deviations if one.driver.verdict else 0)))
