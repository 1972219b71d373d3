"""Plants faults in the facts of a published demo: one entity's volume, price, conversion or cost changes in one month.

Belongs here: changing facts, and counting them again by every cut, so that all cuts show the same fault. Does not
belong here: what `kpi why` should make of it.

A fault is planted in the rows of facts, not in a cut's totals: if the web shop loses orders, the regions whose orders
it took lose them, too.
"""

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from pipelines.answers.why import Why, why
from pipelines.sql import quote_path, quote_text

Z = 1.959963984540054


@dataclass(frozen=True)
class Fact:
    """An order, a deal, a lead or a day of a campaign: the entities that it belongs to, and what it counts for."""

    entities: tuple[tuple[str, str], ...]
    numerator: float
    denominator: float
    cases: int = 1


@dataclass(frozen=True)
class Subject:
    """A KPI whose cells can be counted from one table of facts, and what can go wrong in it."""

    kpi_id: str
    variant: str
    faults: tuple[str, ...]
    facts: str  # a select of the facts of a month: the columns of the cuts, then numerator, denominator and cases
    cuts: tuple[str, ...]
    kind: str  # sum, ratio or rate


_BY_ORDER = """
    select channel, rep_id, team, region, segment, {numerator}, {denominator}, 1
    from marts.fct_order_items
    where date_trunc('month', ordered_on) = {month}
    group by order_id, channel, rep_id, team, region, segment
"""
_DEALS = """
    select owner_id, closed_team, region, segment, {numerator}, {denominator}, 1
    from marts.fct_opportunities
    where date_trunc('month', closed_on) = {month} and (is_won or is_lost)
"""
_LEADS = """
    select source, sdr_id, created_team, {numerator}, 1, 1
    from marts.fct_leads
    where date_trunc('month', created_on) = {month}
"""
_SPEND = """
    select channel, sum(spend_amount), null, sum(impressions)
    from marts.fct_marketing_spend
    where date_trunc('month', spend_date) = {month}
    group by channel, spend_date, campaign_id
"""
_ORDER_CUTS = ("channel", "rep", "team", "region", "segment")
SUBJECTS = (
    Subject(
        "revenue", "gross", ("volume", "price"),
        _BY_ORDER.replace("{numerator}", "sum(gross_amount)").replace("{denominator}", "null"), _ORDER_CUTS, "sum",
    ),
    Subject(
        "revenue", "orders", ("volume",),
        _BY_ORDER.replace("{numerator}", "1").replace("{denominator}", "null"), _ORDER_CUTS, "sum",
    ),
    Subject(
        "revenue", "aov", ("price",),
        _BY_ORDER.replace("{numerator}", "sum(gross_amount - discount_amount)").replace("{denominator}", "1"),
        _ORDER_CUTS, "ratio",
    ),
    Subject(
        "win_rate", "closed_count", ("conversion",),
        _DEALS.replace("{numerator}", "is_won::int").replace("{denominator}", "1"),
        ("rep", "team", "region", "segment"), "rate",
    ),
    Subject(
        "lead_conversion", "cohort_30d", ("conversion",),
        _LEADS.replace("{numerator}", "coalesce(days_to_convert < 30, false)::int"), ("channel", "rep", "team"), "rate",
    ),
    Subject("cac", "spend", ("cost",), _SPEND, ("channel",), "sum"),
)  # fmt: skip


FACTORS = {"volume": (0.5, 1.5), "price": (0.7, 1.4), "cost": (0.5, 2.0), "conversion": (0.3, 2.5)}


@dataclass(frozen=True)
class Fault:
    """What was planted, and so what `kpi why` should name."""

    subject: Subject
    kind: str
    month: date
    entity_type: str
    entity_id: str
    factor: float  # what the entity's volume, price, conversion or cost is multiplied by
    rate: float = 0.0  # of those who did not convert, so many do for each unit of the factor above 1


class PlantedFaults:
    """A published demo in which faults can be planted, one at a time."""

    def __init__(self, published_file: Path) -> None:
        self.connection = duckdb.connect()
        self._facts: dict[tuple[Subject, date], list[Fact]] = {}
        self.connection.execute(f"attach {quote_path(published_file)} as demo (read_only)")
        for schema in ("marts", "meta"):
            self.connection.execute(f"create schema {schema}")
        tables = self.connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'demo' "
            "and (schema_name = 'marts' or table_name = 'publication')"
        ).fetchall()
        for schema, table in tables:
            kind = "table" if table == "kpi_scorecard" else "view"
            self.connection.execute(f"create {kind} {schema}.{table} as from demo.{schema}.{table}")
        self.months = [
            start
            for (start,) in self.connection.execute(
                "select period_start from marts.dim_period where grain = 'month' and is_complete order by 1"
            ).fetchall()
        ]

    def facts(self, subject: Subject, month: date) -> list[Fact]:
        """The facts that a month's cells are counted from."""
        if (subject, month) not in self._facts:
            rows = self.connection.execute(subject.facts.replace("{month}", f"date '{month}'")).fetchall()
            self._facts[subject, month] = [
                Fact(
                    tuple((cut, entity or "unassigned") for cut, entity in zip(subject.cuts, row, strict=False)),
                    *(float(row[-3] or 0), float(row[-2] or 0), int(row[-1] or 0)),
                )
                for row in rows
            ]
        return self._facts[subject, month]

    def random_fault(self, numbers: random.Random) -> Fault:
        """A fault in one of the last twelve months that somebody who knows the facts can see: see `is_visible`."""
        while True:
            subject = numbers.choice(SUBJECTS)
            months = self.months[-12:]
            month = numbers.choice([month for month in months if self._is_known(subject, month)])
            cut = numbers.choice(subject.cuts)
            entities = sorted({dict(fact.entities)[cut] for fact in self.facts(subject, month)} - {"unassigned"})
            kind = numbers.choice(subject.faults)
            entity = numbers.choice(entities)
            own = [fact.numerator for fact in self.facts(subject, month) if (cut, entity) in fact.entities]
            converted = sum(own)
            rate = converted / (len(own) - converted) if kind == "conversion" and converted < len(own) else 0.0
            fault = Fault(subject, kind, month, cut, entity, numbers.choice(FACTORS[kind]), rate)
            if self.is_visible(fault):
                return fault

    def is_visible(self, fault: Fault) -> bool:
        """Whether the fault is at least five standard errors large, of the entity's change from the month before."""
        before = self.months[self.months.index(fault.month) - 1]
        facts = [
            fact
            for month in (before, fault.month)
            for fact in self.facts(fault.subject, month)
            if (fault.entity_type, fault.entity_id) in fact.entities
        ]
        total, cases = sum(fact.numerator for fact in facts), len(facts)
        mean = total / cases if fault.subject.kind != "sum" else 0.0
        variance = sum((fact.numerator - mean) ** 2 for fact in facts)
        return abs(fault.factor - 1) * total / 2 >= 5 * math.sqrt(variance)

    def same(self, fault: Fault, entity_type: str, entity_id: str) -> bool:
        """Whether an entity is the faulty one, or has nearly the same facts, like a team in which one person sells."""
        faulty, named = (fault.entity_type, fault.entity_id), (entity_type, entity_id)
        facts = [fact.entities for fact in self.facts(fault.subject, fault.month)]
        either = sum(faulty in entities or named in entities for entities in facts)
        return sum(faulty in entities and named in entities for entities in facts) >= 0.95 * either

    def _is_known(self, subject: Subject, month: date) -> bool:
        found = self.connection.execute(
            "select count(value) from marts.kpi_scorecard where grain = 'month' and entity_type = 'company' "
            f"and kpi_id = {quote_text(subject.kpi_id)} and variant = {quote_text(subject.variant)} "
            f"and period_start = date '{month}'"
        ).fetchone()
        return found == (1,)

    @contextmanager
    def planted(self, fault: Fault, numbers: random.Random) -> Iterator[duckdb.DuckDBPyConnection]:
        """The published file with the fault in all cuts of the month."""
        faulty = [
            changed
            for fact in self.facts(fault.subject, fault.month)
            for changed in (
                _with(fault, fact, numbers) if (fault.entity_type, fault.entity_id) in fact.entities else [fact]
            )
        ]
        self.connection.execute("begin")
        try:
            self.replace(fault.subject, fault.month, faulty)
            yield self.connection
        finally:
            self.connection.execute("rollback")

    def replace(self, subject: Subject, month: date, facts: list[Fact]) -> None:
        """Count the month's cells of a KPI again, from these facts."""
        self.connection.execute(
            f"delete from marts.kpi_scorecard where grain = 'month' and period_start = date '{month}' "
            f"and kpi_id = {quote_text(subject.kpi_id)} and variant = {quote_text(subject.variant)}"
        )
        cells: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0, 0.0])
        for fact in facts:
            for entity in (("company", "company"), *fact.entities):
                for position, amount in enumerate((fact.numerator, fact.denominator, fact.cases, fact.numerator**2)):
                    cells[entity][position] += amount
        rows = []
        for (entity_type, entity_id), (numerator, denominator, cases, squares) in cells.items():
            is_sum = subject.kind == "sum"
            value = f"{numerator:.2f}::decimal(38, 12)" + ("" if is_sum else f" / {denominator}")
            low: float | str = "null"
            high: float | str = "null"
            if subject.kind == "rate":
                low, high = wilson(numerator, denominator)
            elif subject.kind == "ratio" and cases >= 3:
                low, high = student(numerator, squares, cases)
            rows.append(
                f"({quote_text(entity_type)}, {quote_text(entity_id)}, {value}, {numerator:.2f}, "
                f"{'null' if is_sum else denominator}, {cases}, {low}, {high})"
            )
        self.connection.execute(
            f"""
            insert into marts.kpi_scorecard by name
            select 'month' as grain, date '{month}' as period_start, {quote_text(subject.kpi_id)} as kpi_id,
                {quote_text(subject.variant)} as variant, entity_id as entity_name, *,
                'ok' as status, false as is_partial_period, true as is_mature
            from (values {", ".join(rows)})
                as t(entity_type, entity_id, value, numerator, denominator, sample_size, ci_low, ci_high)
            """
        )


def named_first(faults: PlantedFaults, seeds: Iterable[int]) -> tuple[list[Fault], list[Fault]]:
    """Of a fault for each seed, those that `kpi why` ranks first, and the others.

    Months in which something stands out anyway, such as a trade fair, are passed over.
    """
    found: list[Fault] = []
    missed: list[Fault] = []
    for seed in seeds:
        numbers = random.Random(seed)
        fault = faults.random_fault(numbers)
        while _explained(faults.connection, fault).named:
            fault = faults.random_fault(numbers)
        with faults.planted(fault, numbers) as connection:
            first = _explained(connection, fault).ranking[0]
        (found if faults.same(fault, first.entity_type, first.driver.entity_id) else missed).append(fault)
    return found, missed


def _explained(connection: duckdb.DuckDBPyConnection, fault: Fault) -> Why:
    return why(connection, fault.subject.kpi_id, f"{fault.month:%Y-%m}", variant=fault.subject.variant)


def _with(fault: Fault, fact: Fact, numbers: random.Random) -> list[Fact]:
    """A fact of the faulty entity: gone, twice there, or with another amount."""
    if fault.kind in ("price", "cost"):
        return [Fact(fact.entities, round(fact.numerator * fault.factor, 2), fact.denominator, fact.cases)]
    if fault.kind == "volume":
        if fault.factor < 1:
            return [fact] if numbers.random() < fault.factor else []
        return [fact, fact] if numbers.random() < fault.factor - 1 else [fact]
    if fault.factor < 1:
        converted = fact.numerator if numbers.random() < fault.factor else 0
    else:
        converted = fact.numerator or numbers.random() < (fault.factor - 1) * fault.rate
    return [Fact(fact.entities, float(converted), fact.denominator, fact.cases)]


def wilson(successes: float, cases: float) -> tuple[float, float]:
    """The 95 % interval of a rate (Wilson 1927)."""
    rate, spread = successes / cases, Z**2 / cases
    half = Z * math.sqrt(rate * (1 - rate) / cases + spread / (4 * cases)) / (1 + spread)
    middle = (rate + spread / 2) / (1 + spread)
    return middle - half, middle + half


def student(total: float, squares: float, cases: float) -> tuple[float, float]:
    """The 95 % interval of a mean (Student 1908), with Abramowitz and Stegun's quantile (1964, 26.7.5)."""
    z, degrees = Z, cases - 1
    quantile = (
        z
        + (z**3 + z) / (4 * degrees)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * degrees**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * degrees**4)
    )
    mean = total / cases
    half = quantile * math.sqrt(max(squares - total * mean, 0) / degrees / cases)
    return mean - half, mean + half
