"""Whether two warehouses hold the same tables, whatever engine built them.

Belongs here: comparing all columns of all rows, in any order. Values computed in doubles may differ by a billionth,
everything else is equal, but when a delivery was landed, and hashes, which each engine computes in its own way.
"""

from pathlib import Path

import duckdb

from pipelines.sql import quote_name, quote_path

TOLERANCE = 1e-9
INEXACT = {"DOUBLE", "DECIMAL(38,12)"}  # the second is the type of ratios and bounds in the scorecard and its parts
SCHEMAS = ("staging", "intermediate", "marts")
NOT_COMPARED = {"_loaded_at", "fingerprint"}


def differences(one: Path, other: Path) -> dict[str, str]:
    """What differs between the tables of two warehouses, or of two published files, by `schema.name`."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        tables = []
        for name, path in (("one", one), ("other", other)):
            # Views of DuckDB name the file that they are in.
            connection.execute(f"attach {quote_path(path)} as {quote_name(path.stem)} (read_only)")
            names = _tables(connection, path.stem)
            connection.execute(f"create schema {name}")
            for table in names:
                connection.execute(f"create table {name}.{quote_name(table)} as from {quote_name(path.stem)}.{table}")
            connection.execute(f"detach {quote_name(path.stem)}")
            tables.append(names)
        found = dict.fromkeys(tables[0].keys() ^ tables[1].keys(), "only one file has it")
        for table in sorted(tables[0].keys() & tables[1].keys()):
            columns = tables[0][table]
            if columns != tables[1][table]:
                found[table] = f"other columns: {sorted(columns.items() ^ tables[1][table].items())}"
            elif difference := _different_rows(connection, table, columns):
                found[table] = difference
        return found


def _tables(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, dict[str, str]]:
    """The columns and types of each table of an attached file."""
    rows = connection.execute(
        "select schema_name, table_name, column_name, data_type from duckdb_columns() "
        "where database_name = ? and schema_name in ? and column_name not in ?",
        [name, list(SCHEMAS), list(NOT_COMPARED)],
    ).fetchall()
    tables: dict[str, dict[str, str]] = {}
    for schema, table, column, kind in rows:
        tables.setdefault(f"{schema}.{table}", {})[column] = kind
    return tables


def _different_rows(connection: duckdb.DuckDBPyConnection, table: str, columns: dict[str, str]) -> str | None:
    """How the rows differ; None if they do not. They are paired in the order of their exact columns first."""
    exact = [quote_name(column) for column, kind in columns.items() if kind not in INEXACT]
    inexact = [quote_name(column) for column in columns if quote_name(column) not in exact]
    order = ", ".join([*exact, *(f"round({column}, 6)" for column in inexact)])
    for name in ("one", "other"):
        connection.execute(
            f"create or replace temp table {name}_rows as "
            f"select *, row_number() over (order by {order}) as _position from {name}.{quote_name(table)}"
        )
    unequal = {column: f"a.{column} is distinct from b.{column}" for column in exact} | {
        column: f"(a.{column} is null) <> (b.{column} is null) or abs(a.{column} - b.{column}) > "
        f"{TOLERANCE} * greatest(1, abs(a.{column}))"
        for column in inexact
    }
    pairs = "one_rows as a full join other_rows as b using (_position)"
    counts = connection.execute(
        "select count(a._position), count(b._position), "
        + ", ".join(f"count(*) filter (where {condition})" for condition in unequal.values())
        + f" from {pairs}"
    ).fetchone()
    assert counts is not None
    if counts[0] != counts[1]:
        return f"{counts[0]} and {counts[1]} rows"
    wrong = {column: count for column, count in zip(unequal, counts[2:], strict=True) if count}
    if not wrong:
        return None
    column = min(wrong, key=lambda name: list(unequal).index(name))
    example = connection.execute(
        f"select a.{column}, b.{column}, a from {pairs} where {unequal[column]} order by _position limit 1"
    ).fetchone()
    return f"{counts[0]} rows, differing in {wrong}, such as {example}"
