"""How a published value was made: the formula with its numbers, and the delivered rows behind each number.

Belongs here: recomputing one value of the scorecard from rows of published facts, as `kpi_measures` and `kpi_parts`
describe it. Does not belong here: finding the value that is meant (`cells.py`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

import duckdb

from pipelines.answers.causes import COLUMNS_OF_CAUSES, Cause, causes_of
from pipelines.answers.cells import Cell, publication_of
from pipelines.answers.parts import (
    BOUNDS_OF_PERIODS,
    Measure,
    Term,
    entities_sql,
    filled_in,
    measures_of,
    names_in,
    parameters_in,
    parts_of,
)
from pipelines.answers.questions import QuestionError
from pipelines.sql import literal, quote_text

Number = Decimal | float

SHOWN_ROWS = 5
_CUTS_OF_LEFT_OUT_DAYS = ("channel", "rep", "team", "office", "region", "segment", "campaign", "product")


@dataclass(frozen=True)
class Row:
    """A delivered row that counts, and what it adds."""

    key: str
    day: date | None
    adds: Number | None
    source_file: str
    row_number: int


@dataclass(frozen=True)
class Rows:
    """Rows of one kind that add to a part: how many, their sum, and the first ones."""

    row_is: str
    rows: int
    total: Number
    first_rows: tuple[Row, ...]


@dataclass(frozen=True)
class Part:
    """A number in a formula. It is made of rows, or by a `formula` of other parts."""

    name: str
    statistic: str  # sum, median, p90, mean, distinct or formula
    formula: str | None
    value: Number | None
    terms: tuple[Rows, ...]


@dataclass(frozen=True)
class NotCounted:
    """Rows of a value's period and entity, or without a date, that `parts` do not count, or not yet."""

    row_is: str
    reason: str
    rows: int
    parts: tuple[str, ...]


@dataclass(frozen=True)
class LeftOut:
    """Rows that the KPI does not count, of the deliveries that its rows are from: of any period and entity."""

    source: str
    table: str
    reason: str
    rows: int


@dataclass(frozen=True)
class DeliveredFile:
    """A delivered file with rows that count."""

    source: str
    table: str
    delivered_on: date
    source_file: str
    rows: int


@dataclass(frozen=True)
class Restatement:
    """An earlier published value, and why it changed."""

    published_at: datetime
    value_before: Decimal | None
    value_after: Decimal | None
    causes: tuple[Cause, ...]


@dataclass(frozen=True)
class Checks:
    """The checks of the tables on the way, as last run."""

    passed: int
    failed: tuple[str, ...]
    last_checked_at: str | None


@dataclass(frozen=True)
class Explanation:
    """How a published value was made.

    `numerator`, `denominator` and `value` are computed from the rows; the published ones are in `cell`.
    """

    cell: Cell
    formula: str
    numerator_sql: str | None
    denominator_sql: str | None
    numerator: Number | None
    denominator: Number | None
    value: Number | None
    parts: tuple[Part, ...]
    not_counted: tuple[NotCounted, ...]
    left_out: tuple[LeftOut, ...]
    models: tuple[tuple[str, ...], ...]
    files: tuple[DeliveredFile, ...]
    checks: Checks
    restatements: tuple[Restatement, ...]


def explain(connection: duckdb.DuckDBPyConnection, cell: Cell) -> Explanation:
    """How the value of `cell` was made, from the published file of `connection`.

    Raises:
        QuestionError: the publication was made by an earlier version, which does not know.
    """
    measure = _measure(connection, cell)
    rows_of = _Rows(connection, cell, measure)
    parts: dict[str, Part] = {}
    for name in measure.names:
        rows_of.add_part(name, parts)
    values = {name: part.value for name, part in parts.items()}
    numerator = _evaluate(connection, measure.numerator_sql, values)
    denominator = _evaluate(connection, measure.denominator_sql, values)
    if measure.is_statistic:
        made = values[measure.value_sql]
    else:
        made = _evaluate(connection, measure.formula, {"numerator": numerator, "denominator": denominator})
    files, tables = rows_of.delivered(parts)
    models = _models(connection, measure.mart, tables)
    return Explanation(
        cell,
        measure.value_sql if measure.is_statistic else measure.formula,
        measure.numerator_sql,
        measure.denominator_sql,
        numerator,
        denominator,
        made,
        tuple(parts.values()),
        rows_of.not_counted(parts),
        _left_out(connection, measure, rows_of.entities_known_by_day),
        models,
        files,
        _checks(connection, {name for chain in models for name in chain}),
        _restatements(connection, cell),
    )


def rows_of_value(connection: duckdb.DuckDBPyConnection, cell: Cell) -> str:
    """The query for all rows behind the value of `cell`.

    One row per part and delivered row that counts in it: part, what the row is, key, day, what it adds, delivered file
    and row number.
    """
    measure = _measure(connection, cell)
    rows_of = _Rows(connection, cell, measure)
    queries = [query for name in measure.names for query in rows_of.queries(name)]
    return rows_of.filled_in(" union all ".join(dict.fromkeys(queries)) + " order by part, row_is, day, key")


class _Rows:
    """The rows behind the parts of one cell."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, cell: Cell, measure: Measure) -> None:
        self._connection, self._cell, self._measure = connection, cell, measure
        found = connection.execute(
            f"from ({BOUNDS_OF_PERIODS}) as periods "
            f"where grain = {quote_text(cell.grain)} and period_start = {literal(cell.period.start)}"
        )
        columns = [column[0] for column in found.description or ()]
        row = found.fetchone()
        assert row is not None
        self._values: dict[str, Any] = {
            **dict(zip(columns, row, strict=True)),
            "as_of_date": publication_of(connection).as_of_date,
            "horizon_days": measure.horizon_days,
            "entity_id": cell.entity_id,
        }
        self._parts = parts_of(connection, measure.mart)
        self._tables: dict[str, str] = {}

    def add_part(self, name: str, parts: dict[str, Part]) -> None:
        """Compute a part, after those that its formula needs, and add it to `parts`."""
        if name in parts:
            return
        terms = self._terms(name)
        if formula := terms[0].formula:
            for other in names_in(formula):
                self.add_part(other, parts)
            value = _evaluate(self._connection, formula, {other: parts[other].value for other in names_in(formula)})
            parts[name] = Part(name, "formula", formula, value, ())
            return
        found = tuple(map(self._rows, terms))
        statistic = terms[0].statistic
        value = sum((term.total for term in found), Decimal(0)) if statistic == "sum" else found[0].total
        parts[name] = Part(name, statistic, None, value, found)

    def queries(self, name: str) -> list[str]:
        """The queries for all rows of a part, or of those that its formula needs."""
        terms = self._terms(name)
        if formula := terms[0].formula:
            return [query for other in names_in(formula) for query in self.queries(other)]
        return [self._query(name, term) for term in terms]

    def filled_in(self, query: str) -> str:
        """A query with the days, numbers and the entity that it leaves open."""
        return filled_in(query, {name: literal(self._values[name]) for name in parameters_in(query)})

    def not_counted(self, parts: Mapping[str, Part]) -> tuple[NotCounted, ...]:
        """What `parts` do not count, or not yet, of the cell, most rows first."""
        found: dict[tuple[str, str, str], tuple[int, list[str]]] = {}
        for name in parts:
            for term in self._terms(name):
                if term.formula:
                    continue
                for condition, query in self._not_counted_queries(term):
                    for reason, rows in self._execute(query).fetchall():
                        found.setdefault((term.row_is, reason, condition), (rows, []))[1].append(name)
        counts = [
            NotCounted(row_is, reason, rows, tuple(dict.fromkeys(names)))
            for (row_is, reason, _), (rows, names) in found.items()
            if rows
        ]
        return tuple(sorted(counts, key=lambda one: (-one.rows, one.row_is, one.reason, one.parts)))

    @cached_property
    def entities_known_by_day(self) -> set[str]:
        """The entities of which `meta.left_out_days` knows what is left out of the cell."""
        if not self._connection.execute("from duckdb_tables() where table_name = 'left_out_days'").fetchone():
            return set()
        cut = self._cell.entity_type
        if cut not in ("company", *_CUTS_OF_LEFT_OUT_DAYS):
            return set()
        known = "true" if cut == "company" else f"count(*) = count({cut})"
        unknown = self._connection.execute(
            f"select entity from meta.left_out_days group by entity having not ({known})"
        ).fetchall()
        terms = [term for of_part in self._parts.values() for term in of_part]
        found = {term.left_out_entity for term in terms if term.left_out_entity} - {entity for (entity,) in unknown}
        return {*found, "orders"} if "order_items" in found else found  # an order's lines say the same

    def _not_counted_queries(self, term: Term) -> Iterator[tuple[str, str]]:
        """Queries for reasons and numbers of rows that a term does not count, or not yet, by their condition."""
        of_entity = self._of_entity(term)
        for reason, condition in term.reasons.items():
            yield (
                condition,
                f"select {quote_text(reason)}, count(*) from {term.from_sql} where ({condition}) and {of_entity}",
            )
        if term.left_out_window_sql and term.left_out_entity in self.entities_known_by_day:
            of_entity = "true" if self._cell.entity_type == "company" else f"{self._cell.entity_type} = $entity_id"
            yield (
                term.left_out_window_sql,
                f"select reason, sum(left_out_rows) from meta.left_out_days "
                f"where entity = {quote_text(term.left_out_entity)} and {of_entity} "
                f"and (day is null or {term.left_out_window_sql}) group by reason",
            )

    def _of_entity(self, term: Term) -> str:
        """The condition that a row of a term is of the entity."""
        if self._cell.entity_type == "company":
            return "true"
        if self._cell.entity_type not in term.entities:
            raise QuestionError(f"{term.row_is} is not known by {self._cell.entity_type}.")
        return f"list_contains({entities_sql(term.entities[self._cell.entity_type])}, $entity_id)"

    def delivered(self, parts: Mapping[str, Part]) -> tuple[tuple[DeliveredFile, ...], dict[str, set[str]]]:
        """The delivered files with the rows of `parts`, most rows first, and the delivered tables by fact."""
        queries = {
            f"select {quote_text(term.fact)} as fact, source_file, row_number from {self._table(term)}": None
            for name in parts
            for term in self._terms(name)
            if not term.formula
        }
        self._execute(
            f"""
            create or replace temp table counted_files as
            select source, table_name, delivered_on, source_file, counted, facts
            from (
                select source_file, count(distinct row_number) as counted, list(distinct fact) as facts
                from ({" union all ".join(queries)})
                group by source_file
            )
            inner join meta.delivered_files using (source_file)
            """
        )
        files = self._connection.execute(
            "select * exclude (facts) from counted_files order by counted desc, source_file"
        ).fetchall()
        tables: dict[str, set[str]] = {}
        for fact, table in self._connection.execute(
            "select distinct unnest(facts), source || '.' || table_name from counted_files"
        ).fetchall():
            tables.setdefault(fact, set()).add(table)
        return tuple(DeliveredFile(*row) for row in files), tables

    def _terms(self, name: str) -> list[Term]:
        if name not in self._parts:
            raise QuestionError(f"{self._measure.mart} does not say which rows make up {name}.")
        return self._parts[name]

    def _rows(self, term: Term) -> Rows:
        statistic = {
            "sum": "coalesce(sum(adds), 0)",
            "distinct": "count(distinct key)",
            "median": "quantile_cont(adds, 0.5)",
            "p90": "quantile_cont(adds, 0.9)",
            "mean": "avg(adds)",
        }[term.statistic]
        table = self._table(term)
        query = f"""
            select
                count(*),
                {statistic},
                (
                    select list(row(key, day, adds, source_file, row_number) order by day, key)
                    from (from {table} order by day, key limit {SHOWN_ROWS}) as first_rows
                )
            from {table}
            """
        found = self._execute(query).fetchone()
        assert found is not None
        rows, total, first_rows = found
        return Rows(term.row_is, rows, total, tuple(Row(*row) for row in first_rows or ()))

    def _query(self, name: str, term: Term) -> str:
        """The query for the rows of a term that count in the cell, as rows of a part."""
        return f"select {quote_text(name)} as part, {quote_text(term.row_is)} as row_is, * from ({self._counted(term)})"

    def _counted(self, term: Term) -> str:
        """The query for the rows of a term that count in the cell."""
        return (
            f"select cast({term.key_sql} as varchar) as key, {term.day_sql} as day, {term.adds_sql} as adds, "
            f"{term.file_sql} as source_file, {term.row_sql} as row_number "
            f"from {term.from_sql} where {term.where_sql} and {self._of_entity(term)}"
        )

    def _table(self, term: Term) -> str:
        """The rows of a term that count in the cell, found once."""
        query = self._counted(term)
        if query not in self._tables:
            self._tables[query] = f"counted_{len(self._tables)}"
            self._execute(f"create or replace temp table {self._tables[query]} as {query}")
        return self._tables[query]

    def _execute(self, query: str) -> duckdb.DuckDBPyConnection:
        return self._connection.execute(self.filled_in(query))


def _measure(connection: duckdb.DuckDBPyConnection, cell: Cell) -> Measure:
    if not connection.execute("select 1 from duckdb_tables() where table_name = 'kpi_measures'").fetchone():
        raise QuestionError(
            "The publication was made by an earlier version, and does not say. Publish again: `kpi run`."
        )
    found = measures_of(connection).get((cell.variant.kpi_id, cell.variant.variant, cell.grain))
    if found is None:
        raise QuestionError(f"{cell.in_words}: there is no description of how it is made.")
    return found


def _evaluate(
    connection: duckdb.DuckDBPyConnection, sql: str | None, values: Mapping[str, Number | None]
) -> Number | None:
    """The value of an expression over numbers; None for a division by zero, and where a number is unknown."""
    if sql is None:
        return None
    if sql in values:
        return values[sql]
    columns = ", ".join(f"{literal(value)} as {name}" for name, value in values.items())
    # DuckDB divides by zero without an error.
    query = f"select cast({sql} as double) as made from (select {columns}) as numbers"
    [[found]] = connection.execute(f"select if(isfinite(made), made, null) from ({query})").fetchall()
    made: float | None = found
    return made


def _left_out(connection: duckdb.DuckDBPyConnection, measure: Measure, known: set[str]) -> tuple[LeftOut, ...]:
    """What the KPI does not count of the deliveries that its rows are from, without the entities `known` by cell."""
    needed = [entity for entity in measure.needs.split() if entity not in known]
    rows = connection.execute(
        f"""
        with deliveries as (select distinct source, table_name, delivered_on from counted_files)

        select source, coalesce(table_name, entity), reason, sum(left_out_rows)
        from meta.left_out_rows
        where list_contains({_texts(needed)}, entity)
            and (source, delivered_on) in (select (source, delivered_on) from deliveries)
        group by all
        union all
        select source, table_name, 'in quarantine, since it cannot be read', count(*)
        from meta.quarantined_rows semi join deliveries using (source, table_name, delivered_on)
        group by all
        order by 4 desc, 1, 2, 3
        """
    ).fetchall()
    return tuple(LeftOut(*row) for row in rows)


def _texts(texts: Iterable[str]) -> str:
    return f"cast([{', '.join(map(quote_text, texts))}] as varchar[])"


def _models(
    connection: duckdb.DuckDBPyConnection, mart: str, delivered: Mapping[str, set[str]]
) -> tuple[tuple[str, ...], ...]:
    """The shortest chains of models from the `delivered` tables of each fact to the fact, and on to the mart."""
    parents: dict[str, list[str]] = {}
    for model, parent in connection.execute("select model, made_from from meta.lineage order by all").fetchall():
        parents.setdefault(model, []).append(parent)
    chains: list[tuple[str, ...]] = []
    for fact, tables in sorted(delivered.items()):
        to_mart = next(_paths(parents, mart, {fact}), (fact, mart))
        chains += [(*chain, *to_mart[1:]) for chain in _paths(parents, fact, tables)]
    return tuple(chains)


def _paths(parents: Mapping[str, Sequence[str]], end: str, starts: set[str]) -> Iterator[tuple[str, ...]]:
    """The shortest path from each of `starts` that leads to `end`."""
    paths: dict[str, tuple[str, ...]] = {end: (end,)}
    waiting = [end]
    for name in waiting:
        for parent in parents.get(name, ()):
            if parent not in paths:
                paths[parent] = (parent, *paths[name])
                waiting.append(parent)
    yield from (paths[start] for start in sorted(starts) if start in paths)


def _checks(connection: duckdb.DuckDBPyConnection, models: set[str]) -> Checks:
    tables = {name.replace(".", "__") for name in models}
    rows = connection.execute(
        f"""
        select passed, "check" || ' (' || stage || '.' || "table" || ')', checked_at
        from meta.check_results
        where run_id = (select run_id from meta.publication limit 1)
            and list_contains({_texts(sorted(tables))}, "table")
        order by checked_at
        """
    ).fetchall()
    failed = tuple(name for passed, name, _ in rows if not passed)
    return Checks(len(rows) - len(failed), failed, str(rows[-1][2]) if rows else None)


def _restatements(connection: duckdb.DuckDBPyConnection, cell: Cell) -> tuple[Restatement, ...]:
    values: dict[str, str | date] = {
        "kpi_id": cell.variant.kpi_id,
        "variant": cell.variant.variant,
        "grain": cell.grain,
        "period_start": cell.period.start,
        "entity_type": cell.entity_type,
        "entity_id": cell.entity_id,
    }
    of_cell = " and ".join(f"{column} = {literal(value)}" for column, value in values.items())
    causes: dict[str, list[tuple[Any, ...]]] = {}
    for publication_id, *cause in connection.execute(
        f"select publication_id, {COLUMNS_OF_CAUSES} from meta.restatement_causes where {of_cell} order by all"
    ).fetchall():
        causes.setdefault(publication_id, []).append(tuple(cause))
    rows = connection.execute(
        "select publication_id, published_at, value_before, value_after "
        f"from meta.restatements where {of_cell} order by published_at"
    ).fetchall()
    return tuple(
        Restatement(published_at, before, after, causes_of(causes.get(publication_id, ())))
        for publication_id, published_at, before, after in rows
    )
