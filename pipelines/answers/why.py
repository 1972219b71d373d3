"""Why a published number changed from one period to another: its factors, and the parts of every cut.

Belongs here: which cells are compared, what of them adds up, and the order of what is found. Does not belong here: the
arithmetic of effects (`effects.py`), the statistics (`noise.py`), and sentences (`cli/printing/why.py`).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import duckdb

from pipelines.answers.cells import SCORECARD, Published, Variant, publication_of, unknown
from pipelines.answers.compared_cells import AGREES, TO_DATE, Part, Parts, Shape
from pipelines.answers.comparing import TwoPeriods, two_periods
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
from pipelines.answers.kpi_tree import Tree, effects_of
from pipelines.answers.noise import LEVEL, Sample, Verdict, judge
from pipelines.answers.periods import Comparison, Grain, Period, Periods
from pipelines.answers.questions import QuestionError

_IN_BRACKETS = re.compile(
    r"(?:100 \S )?\((.+)\)"
)  # of NPS without its 100, since the factor shown is a number of people
_HISTORY = 24  # how many earlier changes say what is usual


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
        """Whether its change is more than noise, given how many entities are compared.

        An entity that moved less than its share, as when another one moved alone, is not where the change sits.
        """
        if self.p_value is None or self.verdict is None or not self.contribution:
            return False
        return self.p_value < LEVEL and (self.contribution > 0) == (self.verdict.surprise > 0)

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
    periods = two_periods(connection, kpi_id, variant, period, against, grain)
    cell, calendar, earlier = periods.cell, periods.calendar, periods.earlier
    chosen = cell.variant
    pair = _pair(connection, chosen, periods)
    if by is not None and by not in pair.later.cuts:
        raise unknown("--by", by, pair.later.cuts, chosen.kpi_id)
    cuts, compared = _explained_cuts(pair, calendar, [by] if by else pair.later.cuts)
    return Why(
        publication=publication_of(connection),
        variant=chosen,
        period=cell.period,
        against=earlier,
        to_date=periods.to_date,
        before=pair.values[0],
        after=pair.values[1],
        factors=_factors(connection, pair, chosen, calendar.grain),
        cuts=cuts,
        ranking=_ranking(cuts),
        compared=compared,
        notes=periods.notes,
    )


@dataclass(frozen=True)
class _Compared:
    """The cells of the two periods that are compared; of a period in progress, with as many days of the earlier one."""

    earlier: Parts
    later: Parts
    before: Period
    after: Period
    shape: Shape

    def entities(self, entity_type: str) -> tuple[dict[str, Part], dict[str, Part]]:
        """The entities of one type in both periods."""
        return (
            self.earlier.entities(entity_type, self.before.start),
            self.later.entities(entity_type, self.after.start),
        )

    @property
    def values(self) -> tuple[Fraction, Fraction]:
        """The company's values."""
        before, after = self.company()
        assert before
        assert after
        return self.shape.value(before), self.shape.value(after)

    def company(self) -> tuple[Part | None, Part | None]:
        """The company in both periods."""
        return self.earlier.company(self.before.start), self.later.company(self.after.start)


def most_unusual(connection: duckdb.DuckDBPyConnection, variant: Variant, periods: TwoPeriods) -> Finding | None:
    """The part of a cut whose change is the most unusual, if it is more than noise."""
    try:
        pair = _pair(connection, variant, periods)
    except QuestionError:
        return None
    cuts, _ = _explained_cuts(pair, periods.calendar, pair.later.cuts)
    return next((finding for finding in _ranking(cuts) if finding.driver.stands_out), None)


def _pair(connection: duckdb.DuckDBPyConnection, variant: Variant, periods: TwoPeriods) -> _Compared:
    """The cells of a variant in both periods.

    Raises:
        QuestionError: the company has no value in one of them.
    """
    parts = Parts.of(connection, variant, periods.calendar.grain)
    earlier = Parts.to_date(connection, variant, periods.calendar.grain) if periods.to_date else parts
    before = _company(earlier, variant, periods.earlier, periods.calendar)
    after = _company(parts, variant, periods.cell.period, periods.calendar)
    return _Compared(earlier, parts, periods.earlier, periods.cell.period, Shape.of(before, after))


def _company(parts: Parts, variant: Variant, period: Period, calendar: Periods) -> Part:
    """The company's cell of a period.

    Raises:
        QuestionError: it has no value.
    """
    part = parts.company(period.start)
    if part is not None and part.value is not None:
        return part
    what = f"{variant.kpi_id} ({variant.variant}) has no value for {period.label}"
    why_not = f" (status {part.status})" if part and part.status != "ok" else ""
    known = list(parts.known())
    which = f"Known: {calendar.in_words(known)}." if known else "It has no value at all."
    raise QuestionError(f"{what}{why_not}, so that no change can be explained. {which}")


def _factors(
    connection: duckdb.DuckDBPyConnection, compared: _Compared, variant: Variant, grain: Grain
) -> tuple[Factor, ...]:
    """The factors by the KPI tree, or else the numerator and the denominator of a ratio, with their effects."""
    by_tree = _factors_of_tree(connection, compared, variant, grain)
    if by_tree or not compared.shape.is_ratio:
        return by_tree
    before, after = (part.ratio for part in compared.company() if part)
    scale = compared.shape.scale
    effects = effects_of_factors(
        [scale * before.numerator, 1 / before.denominator], [scale * after.numerator, 1 / after.denominator]
    )
    names = names_of_ratio(variant.formula) if not compared.shape.offset else ("numerator", "denominator")
    first, last = (before.numerator, before.denominator), (after.numerator, after.denominator)
    return tuple(Factor(*each) for each in zip(names, first, last, effects, strict=True))


def _factors_of_tree(
    connection: duckdb.DuckDBPyConnection, compared: _Compared, variant: Variant, grain: Grain
) -> tuple[Factor, ...]:
    """What the KPI tree says a variant is made of: revenue of customers, orders per customer and average order."""
    tree = Tree.of(connection)
    node = tree.node_of(variant.kpi_id, variant.variant) if tree else None
    if tree is None or node is None or tree.identity(node.node) is None:
        return ()
    table = SCORECARD if compared.earlier is compared.later else TO_DATE
    before = tree.values(connection, grain, compared.before.start, table)
    after = tree.values(connection, grain, compared.after.start)
    effects = effects_of(tree, node.node, before, after)
    return tuple(
        Factor(one.node.name, one.before, one.after, one.effect)
        for one in effects
        if one.before or one.after or one.effect
    )


def names_of_ratio(formula: str) -> tuple[str, str]:
    """What a ratio's formula, in any language, calls its numerator and denominator."""
    top, divided, bottom = formula.partition(" ÷ ")
    if not divided or "÷" in bottom:
        return "numerator", "denominator"
    in_brackets = _IN_BRACKETS.fullmatch(top)
    return in_brackets[1] if in_brackets else top, bottom


def _explained_cuts(compared: _Compared, calendar: Periods, entity_types: Iterable[str]) -> tuple[tuple[Cut, ...], int]:
    """The cuts with what every entity contributes, and how many entities are judged.

    p-values are multiplied by that number (Bonferroni). This holds whatever the dependence between entities, and they
    do depend on each other: cuts show the same cases from several sides.
    """
    cuts = [_cut(compared, calendar, entity_type) for entity_type in entity_types]
    judged = sum(driver.verdict is not None for cut in cuts for driver in cut.drivers)
    return tuple(replace(cut, drivers=tuple(_corrected(one, judged) for one in cut.drivers)) for cut in cuts), judged


def _corrected(driver: Driver, judged: int) -> Driver:
    return replace(driver, p_value=min(1.0, driver.verdict.p_value * judged)) if driver.verdict else driver


def _cut(compared: _Compared, calendar: Periods, entity_type: str) -> Cut:
    """The entities of one type, with what each contributes if all of them add up to the company."""
    shape = compared.shape
    before, after = compared.entities(entity_type)
    drivers = {
        entity_id: _driver(entity_id, part.name, before.get(entity_id), after.get(entity_id))
        for entity_id, part in {**before, **after}.items()
    }
    why_not = shape.in_words or _why_it_does_not_add_up(compared, before, after)
    if why_not:
        by_cases = sorted(drivers.values(), key=lambda one: (-max(one.cases_before, one.cases_after), one.entity_id))
        return Cut(entity_type, tuple(by_cases), why_not)
    first, last = ({entity: part.ratio for entity, part in parts.items()} for parts in (before, after))
    split = _sum_drivers(drivers, first, last) if shape.is_sum else _ratio_drivers(drivers, first, last, shape.scale)
    verdicts = _verdicts(compared, calendar, entity_type)
    judged = [
        replace(driver, verdict=_scaled(verdicts[entity], shape.scale)) if entity in verdicts else driver
        for entity, driver in split.items()
    ]
    judged.sort(key=lambda one: (-abs(one.contribution or ZERO), one.entity_id))
    return Cut(entity_type, tuple(judged), numerator=None if shape.is_sum else volume_mix_and_rate(first, last))


def _driver(entity_id: str, name: str, before: Part | None, after: Part | None) -> Driver:
    """An entity with its values, of which a period may have none."""
    return Driver(
        entity_id,
        name,
        before=Fraction(before.value) if before and before.value is not None else None,
        after=Fraction(after.value) if after and after.value is not None else None,
        cases_before=before.cases if before else 0,
        cases_after=after.cases if after else 0,
    )


def _why_it_does_not_add_up(compared: _Compared, *entities: Mapping[str, Part]) -> str:
    """The reason for which a cut's entities are not the company in one of the periods; nothing if they are."""
    for period, company, parts in zip((compared.before, compared.after), compared.company(), entities, strict=True):
        assert company is not None
        unknown_of = [part.name for part in parts.values() if part.numerator is None]
        if unknown_of:
            return f"nothing is known of {', '.join(sorted(unknown_of))} in {period.label}"
        total, of_parts = company.ratio, whole({entity: part.ratio for entity, part in parts.items()})
        for name, expected, found in (
            ("numerators", total.numerator, of_parts.numerator),
            ("denominators", total.denominator, of_parts.denominator),
        ):
            if abs(expected - found) > AGREES * max(Fraction(1), abs(expected)):
                what = name if total.denominator else "values"
                return (
                    f"the {what} add up to {float(found):,.2f} in {period.label}, and the company has "
                    f"{float(expected):,.2f}: they are averages, or something is in two of them or in none"
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


def _verdicts(compared: _Compared, calendar: Periods, entity_type: str) -> dict[str, Verdict]:
    """How unusual the change of each entity is, compared with earlier changes over as many periods."""
    starts = [one.start for one in calendar.periods if one.is_complete and one.start < compared.after.start]
    positions = {one.start: position for position, one in enumerate(calendar.periods)}
    distance = positions[compared.after.start] - positions[compared.before.start]
    lag = distance if 0 < distance <= len(starts) - _HISTORY // 3 else 1
    pairs = list(zip(starts, starts[lag:], strict=False))[-_HISTORY:]
    samples = {
        start: _samples(compared.later.entities(entity_type, start), compared.shape)
        for start in {start for pair in pairs for start in pair}
    }
    before, after = (_samples(parts, compared.shape) for parts in compared.entities(entity_type))
    return judge(before, after, [(samples[earlier], samples[later]) for earlier, later in pairs])


def _samples(parts: Mapping[str, Part], shape: Shape) -> dict[str, Sample]:
    return {entity: shape.sample(part) for entity, part in parts.items() if part.numerator is not None}


def _scaled(verdict: Verdict, scale: int) -> Verdict:
    return replace(verdict, surprise=verdict.surprise * scale)


def _ranking(cuts: Iterable[Cut]) -> tuple[Finding, ...]:
    """The entities of all cuts, those whose change is the most unusual first."""
    findings = [Finding(cut.entity_type, driver) for cut in cuts for driver in cut.drivers if driver.verdict]
    return tuple(sorted(findings, key=lambda one: -abs(one.driver.verdict.deviations if one.driver.verdict else 0)))
