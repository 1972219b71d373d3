"""Finds the rows that only one of two publications has, and whose other rows may count otherwise because of them.

Belongs here: comparing published tables row by row. Does not belong here: which values the rows make a difference to
(`restatements.py`).
"""

import re
from collections.abc import Collection

import duckdb

from pipelines.answers.parts import Term, entities_sql
from pipelines.sql import quote_name

SIDES = ("before", "after")
DATABASES = dict(zip(SIDES, ("previous", "candidate"), strict=True))

_TABLE = re.compile(r"\bmarts\.(\w+)")
_OF_ORDER = "coalesce(customer_id, order_id, '')"
# Tables whose rows count or not by rows of the same owner only: customer, or order if that names none, or deal.
_OWNERS = {
    "dim_customer": "customer_id",
    "fct_attribution": _OF_ORDER,
    "fct_opportunity_stage_events": "opportunity_id",
    "fct_order_items": _OF_ORDER,
    "fct_orders": _OF_ORDER,
    "fct_refunds": _OF_ORDER,
    "kpi_clv__customer": "customer_id",
}
# What rows of those tables refer to besides: the table and its column, where it is referred to, and by which column. A
# refund may name an item of an order of somebody else.
_REFERENCES = (
    ("dim_campaign", "campaign_id", "fct_attribution", "campaign_id"),
    ("dim_product", "product_id", "fct_order_items", "product_id"),
    ("dim_sales_rep", "rep_id", "fct_opportunity_stage_events", "owner_id"),
    ("fct_order_items", "order_item_id", "fct_refunds", "order_item_id"),
    ("fct_refunds", "order_item_id", "fct_order_items", "order_item_id"),
)


def find_changed_rows(connection: duckdb.DuckDBPyConnection, terms: Collection[Term]) -> set[str]:
    """Collect the rows that only one publication has of the tables that terms name, and return the tables with any.

    The rows are in `<table>_before` and `<table>_after`, with the columns that a term names. A row is another one, too,
    if other tables decide its entity in a cut, and it has become another. The publications are attached as `previous`
    and `candidate`.

    Raises:
        duckdb.CatalogException: a publication lacks one of the tables.
    """
    written = " ".join(term.sql for term in terms)
    tables = sorted(set(_TABLE.findall(written)))
    named = set(re.findall(r"\w+", f"{written} {_OF_ORDER}"))
    columns = {table: _shared_columns(connection, table, named) for table in tables}
    cuts: dict[str, list[str]] = {table: [] for table in tables}
    for term in terms:
        if term.is_of_one_table:
            decided = [cut for cut in term.entities.values() if _TABLE.search(cut)]
            cuts[term.fact] += [cut for cut in decided if cut not in cuts[term.fact]]

    owned = [table for table in tables if table in _OWNERS]
    changed = {
        table for table in tables if table not in _OWNERS and _collect(connection, table, columns[table], cuts[table])
    }
    _find_owners(connection, owned, columns, changed)
    for table in owned:
        for side in SIDES:
            connection.execute(
                f"create or replace temp table {table}_near_{side} as "
                f"select {', '.join(columns[table])} from {of_owners(table, side)}"
            )
    return changed | {table for table in owned if _collect(connection, table, columns[table], cuts[table])}


def of_owners(table: str, side: str) -> str:
    """The rows of a publication's table whose owners have a changed one; all rows of a table without owners."""
    relation = f"{DATABASES[side]}.marts.{table}"
    return f"(from {relation} where {_OWNERS[table]} in (from changed_owners))" if table in _OWNERS else relation


def near(sql: str, side: str) -> str:
    """A query over published tables as one over `of_owners` of those that the terms name, and of the columns there."""
    return _TABLE.sub(
        lambda found: f"{found[1]}_near_{side}" if found[1] in _OWNERS else f"{DATABASES[side]}.{found[0]}", sql
    )


def _find_owners(
    connection: duckdb.DuckDBPyConnection, owned: Collection[str], columns: dict[str, list[str]], changed: set[str]
) -> None:
    """Collect in `changed_owners` whose rows have changed, or refer to rows that have."""
    connection.execute("create or replace temp table changed_owners (owner varchar)")
    for table in owned:
        relations = {side: f"{database}.marts.{table}" for side, database in DATABASES.items()}
        for rows in _rows_of_one_side(connection, relations, columns[table]).values():
            connection.execute(f"insert into changed_owners select {_OWNERS[table]} from ({rows})")
    for table, key, fact, column in _REFERENCES:
        if fact in owned and table in {*changed, *owned}:
            for side, database in DATABASES.items():
                referred = of_owners(table, side) if table in _OWNERS else f"{table}_{side}"
                connection.execute(
                    f"insert into changed_owners select {_OWNERS[fact]} from {database}.marts.{fact} "
                    f"where {column} in (select {key} from {referred})"
                )


def _collect(connection: duckdb.DuckDBPyConnection, table: str, columns: list[str], cuts: list[str]) -> bool:
    """Collect the changed rows of a table, and say whether there are any."""
    names = [*columns, *(f"cut_{place}" for place, _ in enumerate(cuts))]
    values = [*columns, *(f"list_sort({entities_sql(cut)}) as cut_{place}" for place, cut in enumerate(cuts))]
    relation = f"(select rowid, {', '.join(values)} from marts.{table} as {table})"
    relations = {side: near(relation, side) for side in SIDES}
    found = 0
    for side, rows in _rows_of_one_side(connection, relations, names).items():
        connection.execute(f"create or replace temp table {table}_{side} as {rows}")
        found += connection.execute(f"from {table}_{side} limit 1").fetchone() is not None
    return found > 0


def _rows_of_one_side(
    connection: duckdb.DuckDBPyConnection, relations: dict[str, str], columns: list[str]
) -> dict[str, str]:
    """By side, a query for the distinct rows that the other side lacks."""
    names = ", ".join(columns)
    types = [
        connection.execute(f"select column_type from (describe select {names} from {relation})").fetchall()
        for relation in relations.values()
    ]
    others = dict(zip(SIDES, SIDES[::-1], strict=True))
    # A hash says nothing about values of different types, which only a new version of a model brings.
    if types[0] != types[1]:
        return {
            side: f"select {names} from {relations[side]} except select {names} from {relations[other]}"
            for side, other in others.items()
        }
    # Hashes fit into memory where all columns of a large table do not.
    for side in SIDES:
        connection.execute(
            f"create or replace temp table hashes_{side} as "
            f"select rowid as place, hash(({names})) as hashed from {relations[side]}"
        )
    return {
        side: f"select distinct {names} from {relations[side]} "
        f"where rowid in (select place from hashes_{side} anti join hashes_{other} using (hashed))"
        for side, other in others.items()
    }


def _shared_columns(connection: duckdb.DuckDBPyConnection, table: str, named: set[str]) -> list[str]:
    """The columns of a table that both publications have and that are named."""
    before, after = (
        [str(column[0]) for column in connection.execute(f"from {database}.marts.{table} limit 0").description or ()]
        for database in DATABASES.values()
    )
    return [quote_name(name) for name in after if name in before and name in named]
