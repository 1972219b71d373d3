"""What a dry run changes of the KPIs: its scorecard compared with the published one.

Belongs here: reading both scorecards and comparing them. Does not belong here: building one (`dry_run.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import duckdb

from pipelines.warehouse import reader


class Place(NamedTuple):
    """Where a value stands in the scorecard."""

    month: date
    kpi_id: str
    variant: str
    entity_type: str
    entity_id: str


@dataclass(frozen=True)
class Change:
    """A value of the scorecard that a dry run changes. None is no value."""

    place: Place
    unit: str
    is_headline: bool  # of the company as a whole, and of the KPI's default variant
    before: Decimal | None
    after: Decimal | None


def kpi_changes(published: Path, warehouse: Path) -> list[Change]:
    """The values of all KPIs, variants and cuts that differ between a published file and a warehouse, by month.

    If either does not exist or has no scorecard yet, it has no values.
    """
    before, after = _scorecard(published), _scorecard(warehouse)
    changes = []
    for place in sorted(before.keys() | after.keys()):
        old, new = before.get(place), after.get(place)
        known = new or old
        values = (old and old.value, new and new.value)
        is_nothing_new = old is None and not values[1]  # 0 in a month that had no row
        if known and values[0] != values[1] and not is_nothing_new:
            changes.append(Change(place, known.unit, known.is_headline, *values))
    return changes


class _Value(NamedTuple):
    value: Decimal | None
    unit: str
    is_headline: bool


def _scorecard(file: Path) -> dict[Place, _Value]:
    if not file.exists():
        return {}
    with reader(file) as connection:
        try:
            rows = connection.execute(
                """
                select period_month, kpi_id, variant, entity_type, entity_id, value, variants.unit,
                    entity_type = 'company' and variant = default_variant
                from marts.kpi_scorecard__monthly
                inner join marts.kpi_catalogue using (kpi_id)
                inner join marts.kpi_variants as variants using (kpi_id, variant)
                """
            ).fetchall()
        except duckdb.CatalogException:
            return {}
    return {
        Place(*place): _Value(*rest) for *place, value, unit, headline in rows for rest in [(value, unit, headline)]
    }


class Extent(NamedTuple):
    """How much of a KPI changes: its variants, the number of values by cut, and the first and last month."""

    kpi_id: str
    variants: Sequence[str]
    by_cut: dict[str, int]
    first_month: date
    last_month: date


def extents(changes: Iterable[Change]) -> list[Extent]:
    """The extent of the changes of each KPI."""
    by_kpi: dict[str, list[Change]] = {}
    for change in changes:
        by_kpi.setdefault(change.place.kpi_id, []).append(change)
    found = []
    for kpi_id, of_kpi in sorted(by_kpi.items()):
        by_cut: dict[str, int] = {}
        for change in sorted(of_kpi, key=lambda change: change.place.entity_type != "company"):
            by_cut[change.place.entity_type] = by_cut.get(change.place.entity_type, 0) + 1
        months = [change.place.month for change in of_kpi]
        variants = list(dict.fromkeys(change.place.variant for change in of_kpi))
        found.append(Extent(kpi_id, variants, by_cut, min(months), max(months)))
    return found
