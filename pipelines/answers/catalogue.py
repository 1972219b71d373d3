"""Which KPIs are published: their variants, cuts and grains, and the newest complete month of each.

Belongs here: the overview from which a program chooses what to ask. Does not belong here: the values of a KPI
(`shown.py`).
"""

from dataclasses import dataclass
from decimal import Decimal

import duckdb

from pipelines.answers.cells import SCORECARD


@dataclass(frozen=True)
class PublishedVariant:
    """A way to compute a KPI, and by what it is published."""

    variant: str
    name: str
    formula: str
    unit: str
    by: list[str]
    grains: list[str]


@dataclass(frozen=True)
class NewestMonth:
    """The company's value of a KPI's own variant in the last complete month that has one."""

    variant: str
    period: str
    value: Decimal | None
    unit: str
    n: int | None
    status: str
    is_partial_period: bool = False


@dataclass(frozen=True)
class PublishedKpi:
    """A KPI; its own variant is the first of its variants."""

    kpi: str
    newest: NewestMonth | None
    variants: list[PublishedVariant]


def published_kpis(connection: duckdb.DuckDBPyConnection) -> list[PublishedKpi]:
    """Every published KPI."""
    months = {
        kpi_id: NewestMonth(*month)
        for kpi_id, *month in connection.execute(
            f"""
            select kpi_id, variant, period_label, value, unit, sample_size, status
            from {SCORECARD}
            inner join marts.kpi_catalogue using (kpi_id)
            inner join (select grain, period_start, period_label from marts.dim_period) using (grain, period_start)
            where variant = default_variant and entity_type = 'company' and grain = 'month' and not is_partial_period
            qualify row_number() over (partition by kpi_id order by value is null, period_start desc) = 1
            """
        ).fetchall()
    }
    variants: dict[str, list[PublishedVariant]] = {}
    for kpi_id, *variant in connection.execute(
        f"""
        select kpi_id, variant, variants.name_en, variants.formula_en, variants.unit, cuts, grains_of_variant
        from marts.kpi_catalogue
        inner join marts.kpi_variants as variants using (kpi_id)
        inner join (
            select
                kpi_id, variant, list(distinct entity_type order by entity_type) as cuts,
                list(distinct grain order by grain) as grains_of_variant
            from {SCORECARD}
            group by kpi_id, variant
        ) using (kpi_id, variant)
        order by kpi_id, variant <> default_variant, variant
        """
    ).fetchall():
        variants.setdefault(kpi_id, []).append(PublishedVariant(*variant))
    return [PublishedKpi(kpi_id, months.get(kpi_id), of_kpi) for kpi_id, of_kpi in variants.items()]
