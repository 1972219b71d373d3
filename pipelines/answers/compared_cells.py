"""What the scorecard has of one variant: the company and the entities of every cut, by period.

Belongs here: reading cells, and how a value follows from its numerator and denominator. Does not belong here: what
changed (`why.py`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Self

import duckdb

from pipelines.answers.cells import SCORECARD, Variant, all_of
from pipelines.answers.effects import Ratio
from pipelines.answers.noise import Sample
from pipelines.answers.periods import Grain

TO_DATE = "marts.kpi_scorecard__to_date"
AGREES = Fraction(1, 10**9)  # relative to values above 1: the scorecard rounds to twelve decimals

# A published value is `scale` * numerator / denominator + `offset`: a ratio, NPS, growth.
_SHAPES = ((1, 0), (100, 0), (1, -1))
_WIDTH_OF_95_PERCENT = 3.92  # in standard errors


@dataclass(frozen=True)
class Part:
    """What the scorecard has of one entity in one period. `error` is the standard error of rates and scores."""

    name: str
    value: Decimal | None
    numerator: Decimal | None
    denominator: Decimal | None
    cases: int
    error: float | None
    status: str

    @property
    def ratio(self) -> Ratio:
        """Numerator and denominator; a sum is its own numerator."""
        return Ratio(Fraction(self.numerator or 0), Fraction(self.denominator or 0))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to count: the scorecard also has rows for periods without any case."""
        return not (self.numerator or self.denominator or self.cases or self.value)


@dataclass(frozen=True)
class Parts:
    """The cells of a variant at one grain, by entity type and first day of the period, then by entity."""

    cells: Mapping[tuple[str, date], Mapping[str, Part]]

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection, variant: Variant, grain: Grain) -> Self:
        """The cells of all periods."""
        return cls(_read(connection, SCORECARD, variant, grain))

    @classmethod
    def to_date(cls, connection: duckdb.DuckDBPyConnection, variant: Variant, grain: Grain) -> Self:
        """The cells of the first days of earlier periods, as many as the period in progress has had."""
        return cls(_read(connection, TO_DATE, variant, grain))

    @property
    def cuts(self) -> list[str]:
        """The types of entities, without the company."""
        return sorted({entity_type for entity_type, _ in self.cells} - {"company"})

    def company(self, start: date) -> Part | None:
        """The company's cell of a period."""
        return self.cells.get(("company", start), {}).get("company")

    def entities(self, entity_type: str, start: date) -> dict[str, Part]:
        """The entities of one type in one period, without those that have nothing to count."""
        found = self.cells.get((entity_type, start), {})
        return {entity: part for entity, part in found.items() if not part.is_empty}

    def known(self) -> Iterator[date]:
        """The periods in which the company has a value."""
        for (entity_type, start), entities in self.cells.items():
            if entity_type == "company" and entities["company"].value is not None:
                yield start


def _read(
    connection: duckdb.DuckDBPyConnection, table: str, variant: Variant, grain: Grain
) -> dict[tuple[str, date], dict[str, Part]]:
    where = all_of({"kpi_id": variant.kpi_id, "variant": variant.variant, "grain": grain})
    has_error = variant.unit in ("rate", "score")
    cells: dict[tuple[str, date], dict[str, Part]] = {}
    for entity_type, start, entity, name, value, top, bottom, cases, low, high, status in connection.execute(
        f"""
        select entity_type, period_start, entity_id, coalesce(entity_name, entity_id), value, numerator, denominator,
            sample_size, ci_low, ci_high, status
        from {table}
        where {where}
        """
    ).fetchall():
        error = float(high - low) / _WIDTH_OF_95_PERCENT if has_error and low is not None and high is not None else None
        cells.setdefault((entity_type, start), {})[entity] = Part(name, value, top, bottom, cases or 0, error, status)
    return cells


@dataclass(frozen=True)
class Shape:
    """How a value follows from numerator and denominator: a sum, a ratio with a scale, or not at all."""

    is_sum: bool
    is_ratio: bool
    scale: int = 1
    offset: int = 0

    @classmethod
    def of(cls, *company: Part) -> Self:
        """The shape that the company's published values have."""
        if all(part.denominator is None and part.value == part.numerator for part in company):
            return cls(is_sum=True, is_ratio=False)
        for scale, offset in _SHAPES:
            if all(_agrees(part, scale, offset) for part in company):
                return cls(is_sum=False, is_ratio=True, scale=scale, offset=offset)
        return cls(is_sum=False, is_ratio=False)

    @property
    def in_words(self) -> str:
        """Why nothing adds up, if it does not."""
        return "" if self.is_sum or self.is_ratio else "it is neither a sum nor a ratio of sums, such as a median"

    def value(self, part: Part) -> Fraction:
        """A value, exactly: the published one is rounded to twelve decimals."""
        if not self.is_ratio:
            assert part.value is not None
            return Fraction(part.value)
        value = part.ratio.value
        assert value is not None
        return self.scale * value + self.offset

    def sample(self, part: Part) -> Sample:
        """A part as the statistics of noise need it."""
        error = None if part.error is None or part.value is None else part.error / self.scale
        denominator = None if self.is_sum else float(part.denominator or 0)
        return Sample(float(part.numerator or 0), denominator, part.cases, error)


def _agrees(part: Part, scale: int, offset: int) -> bool:
    ratio = part.ratio.value
    if part.numerator is None or ratio is None or part.value is None:
        return False
    return abs(scale * ratio + offset - Fraction(part.value)) <= AGREES * max(Fraction(1), abs(Fraction(part.value)))
