"""How a published value was made: the formula with its numbers, and the delivered rows behind each number.

Belongs here: recomputing one value of the scorecard from rows of published facts, as `kpi_measures` and `kpi_parts`
describe it. Does not belong here: finding the value that is meant (`cells.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb

from pipelines.answers.causes import COLUMNS_OF_CAUSES, Cause, causes_of
from pipelines.answers.cells import Cell
from pipelines.answers.parts import (
    BOUNDS_OF_PERIODS,
    Measure,
    Term,
    entities_sql,
    measures_of,
    names_in,
    parameters_in,
    parts_of,
)
from pipelines.answers.questions import QuestionError
from pipelines.sql import quote_text

Number = Decimal | float

SHOWN_ROWS = 5


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
class LeftOut:
    """Rows that the KPI does not count, of the deliveries that its rows are from."""

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
        _left_out(connection, measure),
        models,
        files,
        _checks(connection, {name for chain in models for name in chain}),
        _restatements(connection, cell),
    )


def rows_of_value(connection: duckdb.DuckDBPyConnection, cell: Cell) -> tuple[str, Mapping[str, Any]]:
    """The query for all rows behind the value of `cell`, and its parameters.

    One row per part and delivered row that counts in it: part, what the row is, key, day, what it adds, delivered file
    and row number.
    """
    measure = _measure(connection, cell)
    rows_of = _Rows(connection, cell, measure)
    queries = [query for name in measure.names for query in rows_of.queries(name)]
    query = " union all ".join(dict.fromkeys(queries)) + " order by part, row_is, day, key"
    return query, rows_of.parameters(query)


class _Rows:
    """The rows behind the parts of one cell."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, cell: Cell, measure: Measure) -> None:
        self._connection, self._cell, self._measure = connection, cell, measure
        found = connection.execute(
            f"from ({BOUNDS_OF_PERIODS}) as periods where grain = ? and period_start = ?",
            [cell.grain, cell.period.start],
        )
        columns = [column[0] for column in found.description or ()]
        row = found.fetchone()
        assert row is not None
        self._values: dict[str, Any] = {
            **dict(zip(columns, row, strict=True)),
            "horizon_days": measure.horizon_days,
            "entity_id": cell.entity_id,
        }
        self._parts = parts_of(connection, measure.mart)

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
        found = tuple(self._rows(name, term) for term in terms)
        statistic = terms[0].statistic
        value = sum((term.total for term in found), Decimal(0)) if statistic == "sum" else found[0].total
        parts[name] = Part(name, statistic, None, value, found)

    def queries(self, name: str) -> list[str]:
        """The queries for all rows of a part, or of those that its formula needs."""
        terms = self._terms(name)
        if formula := terms[0].formula:
            return [query for other in names_in(formula) for query in self.queries(other)]
        return [self._query(name, term) for term in terms]

    def parameters(self, query: str) -> dict[str, Any]:
        """The values of the parameters that a query has."""
        return {name: self._values[name] for name in parameters_in(query)}

    def delivered(self, parts: Mapping[str, Part]) -> tuple[tuple[DeliveredFile, ...], dict[str, set[str]]]:
        """The delivered files with the rows of `parts`, most rows first, and the delivered tables by fact."""
        queries = {
            f"select {quote_text(term.fact)} as fact, source_file, row_number from ({self._query(name, term)})": None
            for name in parts
            for term in self._terms(name)
            if not term.formula
        }
        self._execute(
            "create or replace temp table counted_rows as "
            "select distinct fact, source, table_name, delivered_on, source_file, row_number "
            f"from ({' union all '.join(queries)}) inner join meta.delivered_files using (source_file)"
        )
        files = self._connection.execute(
            "select source, table_name, delivered_on, source_file, count(distinct row_number) as counted "
            "from counted_rows group by all order by counted desc, source_file"
        ).fetchall()
        tables: dict[str, set[str]] = {}
        for fact, table in self._connection.execute(
            "select distinct fact, source || '.' || table_name from counted_rows"
        ).fetchall():
            tables.setdefault(fact, set()).add(table)
        return tuple(DeliveredFile(*row) for row in files), tables

    def _terms(self, name: str) -> list[Term]:
        if name not in self._parts:
            raise QuestionError(f"{self._measure.mart} does not say which rows make up {name}.")
        return self._parts[name]

    def _rows(self, name: str, term: Term) -> Rows:
        statistic = {
            "sum": "coalesce(sum(adds), 0)",
            "distinct": "count(distinct key)",
            "median": "quantile_cont(adds, 0.5)",
            "p90": "quantile_cont(adds, 0.9)",
            "mean": "avg(adds)",
        }[term.statistic]
        query = f"""
            with counted as (from ({self._query(name, term)}) as of_term)

            select
                (select count(*) from counted),
                (select {statistic} from counted),
                (
                    select list(row(key, day, adds, source_file, row_number) order by day, key)
                    from (from counted order by day, key limit {SHOWN_ROWS}) as first_rows
                )
            """
        found = self._execute(query).fetchone()
        assert found is not None
        rows, total, first_rows = found
        return Rows(term.row_is, rows, total, tuple(Row(*row) for row in first_rows or ()))

    def _query(self, name: str, term: Term) -> str:
        """The query for the rows of a term that count in the cell."""
        condition = term.where_sql
        if self._cell.entity_type != "company":
            cut = term.entities.get(self._cell.entity_type)
            if cut is None:
                raise QuestionError(f"{name} is not known by {self._cell.entity_type}.")
            condition += f" and list_contains({entities_sql(cut)}, $entity_id)"
        return (
            f"select {quote_text(name)} as part, {quote_text(term.row_is)} as row_is, "
            f"cast({term.key_sql} as varchar) as key, {term.day_sql} as day, {term.adds_sql} as adds, "
            f"{term.file_sql} as source_file, {term.row_sql} as row_number "
            f"from {term.from_sql} where {condition}"
        )

    def _execute(self, query: str) -> duckdb.DuckDBPyConnection:
        return self._connection.execute(query, self.parameters(query))


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
    columns = ", ".join(f"${name} as {name}" for name in values)
    # DuckDB divides by zero without an error.
    query = f"select cast({sql} as double) as made from (select {columns}) as numbers"
    [[found]] = connection.execute(f"select if(isfinite(made), made, null) from ({query})", dict(values)).fetchall()
    made: float | None = found
    return made


def _left_out(connection: duckdb.DuckDBPyConnection, measure: Measure) -> tuple[LeftOut, ...]:
    """What the KPI does not count of the deliveries that its rows are from."""
    rows = connection.execute(
        """
        with deliveries as (select distinct source, table_name, delivered_on from counted_rows)

        select source, coalesce(table_name, entity), reason, sum(left_out_rows)
        from meta.left_out_rows
        where list_contains(string_split($needs, ' '), entity)
            and (source, delivered_on) in (select (source, delivered_on) from deliveries)
        group by all
        union all
        select source, table_name, 'in quarantine, since it cannot be read', count(*)
        from meta.quarantined_rows semi join deliveries using (source, table_name, delivered_on)
        group by all
        order by 4 desc, 1, 2, 3
        """,
        {"needs": measure.needs},
    ).fetchall()
    return tuple(LeftOut(*row) for row in rows)


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
        """
        select passed, "check" || ' (' || stage || '.' || "table" || ')', checked_at
        from meta.check_results
        where run_id = (select run_id from meta.publication limit 1) and list_contains($tables, "table")
        order by checked_at
        """,
        {"tables": sorted(tables)},
    ).fetchall()
    failed = tuple(name for passed, name, _ in rows if not passed)
    return Checks(len(rows) - len(failed), failed, str(rows[-1][2]) if rows else None)


def _restatements(connection: duckdb.DuckDBPyConnection, cell: Cell) -> tuple[Restatement, ...]:
    of_cell = "kpi_id = ? and variant = ? and grain = ? and period_start = ? and entity_type = ? and entity_id = ?"
    values = [
        *(cell.variant.kpi_id, cell.variant.variant, cell.grain),
        *(cell.period.start, cell.entity_type, cell.entity_id),
    ]
    causes: dict[str, list[tuple[Any, ...]]] = {}
    for publication_id, *cause in connection.execute(
        f"select publication_id, {COLUMNS_OF_CAUSES} from meta.restatement_causes where {of_cell} order by all", values
    ).fetchall():
        causes.setdefault(publication_id, []).append(tuple(cause))
    rows = connection.execute(
        "select publication_id, published_at, value_before, value_after "
        f"from meta.restatements where {of_cell} order by published_at",
        values,
    ).fetchall()
    return tuple(
        Restatement(published_at, before, after, causes_of(causes.get(publication_id, ())))
        for publication_id, published_at, before, after in rows
    )
