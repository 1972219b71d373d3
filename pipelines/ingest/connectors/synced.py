"""Builds the query on the tables of a sync tool: on those columns that this database has, all of them as text.

Tools differ in types and in how they write names, and create a column only once a record has a value for it. The query
itself therefore sees only texts, and NULL where an optional column is missing. Times are in UTC, as tools store them.
PostgreSQL, DuckDB and SQLite are supported.
"""

from typing import Any

import sqlalchemy as sa

from pipelines.ingest.gate import DeliveryError
from pipelines.sources.fetching import SYNC_TOOLS, SyncedFetch, SyncedTable

# A text with a time gets an offset unless it has one.
_WITH_OFFSET = (
    "case when {0} like '%Z' or substr({0}, length({0}) - 5, 1) in ('+', '-') then {0} else {0} || '+00:00' end"
)
_SECONDS = {
    "postgresql": "cast(to_timestamp(cast({0} as double precision)) at time zone 'UTC' as varchar) || '+00:00'",
    "duckdb": "cast(to_timestamp(cast({0} as double)) at time zone 'UTC' as varchar) || '+00:00'",
    "sqlite": "datetime({0}, 'unixepoch') || '+00:00'",
}
_FIELD = {  # the text at a path in JSON
    "postgresql": "cast({0} as jsonb) #>> '{{{1}}}'",
    "duckdb": "json_extract_string(cast({0} as json), '{1}')",
    "sqlite": "cast(json_extract({0}, '{1}') as varchar)",
}
_ELEMENTS = {  # the elements of a JSON list
    "postgresql": "jsonb_array_elements(cast({0} as jsonb)) as element(value)",
    "duckdb": "unnest(cast({0} as json[])) as element(value)",
    "sqlite": "json_each({0}) as element",
}


def synced_query(connection: sa.Connection, fetch: SyncedFetch, source: str, table_name: str) -> sa.TextClause:
    """The query of `fetch`, preceded by the tables that it reads.

    Raises:
        DeliveryError: the database lacks a table or column that the query needs, or is of another kind.
    """
    if connection.dialect.name not in _SECONDS:
        raise DeliveryError(
            f"{source}.{table_name}: synced tables are read from PostgreSQL, DuckDB and SQLite, not from "
            f"{connection.dialect.name}. Describe the tables in a source of your own, with `connector: sql`."
        )
    database = _Database(connection, fetch, source, table_name)
    tables = [f"{name} as ({database.select(table.table or name, table)})" for name, table in fetch.reads.items()]
    beginning = f"with {', '.join(tables)} " if tables else ""
    return sa.text((beginning + (fetch.query or "")).replace(":", r"\:"))


class _Database:
    """The tables that a sync tool keeps in one schema."""

    def __init__(self, connection: sa.Connection, fetch: SyncedFetch, source: str, table_name: str) -> None:
        self._dialect = connection.dialect.name
        self._quote = connection.dialect.identifier_preparer.quote_identifier
        self._inspector = sa.inspect(connection)
        self._tool, self._prefix = SYNC_TOOLS[fetch.tool], fetch.prefix
        # A schema of SQLite is another file, so a tool's usual schema is not there.
        self._schema = "main" if self._dialect == "sqlite" and not fetch.is_schema_given else fetch.schema_name
        self._source, self._label = source, f"{source}.{table_name}"
        names = [*self._inspector.get_table_names(self._schema), *self._inspector.get_view_names(self._schema)]
        self._tables = {_folded(name): name for name in names}

    def select(self, name: str, table: SyncedTable) -> str:
        """What queries read of the tool's table `name`, without deleted records and earlier versions of a record."""
        found = self._tables.get(_folded(self._prefix + name))
        if found is None and table.columns:
            raise DeliveryError(self._missing_table(self._prefix + name))
        columns = self._columns(found) if found else {}
        if missing := [path for path in table.columns.values() if _column_of(path, table) not in columns]:
            raise DeliveryError(self._missing_columns(self._prefix + name, missing, columns))
        read = [*table.columns.items(), *table.optional.items()]
        if found is None or (table.each and _folded(table.each) not in columns):
            return f"select {', '.join(f'cast(null as varchar) as {alias}' for alias, _ in read)} where 1 = 0"
        texts = [f"{self._text(path, table, columns, alias in table.times)} as {alias}" for alias, path in read]
        origin = f"{self._quote(self._schema)}.{self._quote(found)} as synced"
        if table.each:
            origin += f" cross join {_ELEMENTS[self._dialect].format(self._cell(columns[_folded(table.each)]))}"
        return f"select {', '.join(texts)} from {origin} where {' and '.join(self._conditions(table, columns))}"

    def _columns(self, table: str) -> dict[str, Any]:
        return {_folded(column["name"]): column for column in self._inspector.get_columns(table, self._schema)}

    def _cell(self, column: Any) -> str:
        return f"synced.{self._quote(column['name'])}"

    def _text(self, path: str, table: SyncedTable, columns: dict[str, Any], is_time: bool) -> str:
        """A column, or a field of JSON, as text; NULL if the table lacks the column."""
        column = columns.get(_column_of(path, table))
        if column is None:
            return "cast(null as varchar)"
        first, *fields = path.split(".")
        if table.each and first == "each":
            return self._field("element.value", fields)
        return self._field(self._cell(column), fields) if fields else self._plain_text(column, is_time)

    def _plain_text(self, column: Any, is_time: bool) -> str:
        cell, kind = self._cell(column), column["type"]
        if is_time and isinstance(kind, sa.Integer | sa.Numeric):
            return _SECONDS[self._dialect].format(cell)
        if isinstance(kind, sa.DateTime) and kind.timezone:
            cell = f"{cell} at time zone 'UTC'"
        text = f"cast({cell} as varchar)"
        return _WITH_OFFSET.format(text) if is_time or isinstance(kind, sa.DateTime) else text

    def _field(self, cell: str, fields: list[str]) -> str:
        if self._dialect == "sqlite" and not fields:
            return f"cast({cell} as varchar)"  # of an element that is no object, SQLite has the value, not JSON
        if self._dialect == "postgresql":
            return _FIELD[self._dialect].format(cell, ",".join(fields))
        return _FIELD[self._dialect].format(
            cell, "$" + "".join(f"[{field}]" if field.isdigit() else f".{field}" for field in fields)
        )

    def _conditions(self, table: SyncedTable, columns: dict[str, Any]) -> list[str]:
        conditions = ["1 = 1"]
        marks = [] if table.keeps_deleted else [*table.deleted, *([self._tool.deleted] if self._tool.deleted else [])]
        for mark in marks:
            if column := columns.get(_folded(mark)):
                conditions.append(f"{self._truth(column, 'false')} in ('false', 'f', '0', '')")
        if self._tool.current and (column := columns.get(_folded(self._tool.current))):
            conditions.append(f"{self._truth(column, 'true')} in ('true', 't', '1')")
        return conditions

    def _truth(self, column: Any, default: str) -> str:
        return f"coalesce(lower(cast({self._cell(column)} as varchar)), '{default}')"

    def _missing_table(self, name: str) -> str:
        if not self._tables:
            return (
                f"{self._label}: the schema {self._schema!r} has no tables that this user may read. Correct `schema` "
                f"under `synced: {self._source}` in the settings, or grant the user access."
            )
        return (
            f"{self._label}: the table {name!r} of {self._tool.name} is not in the schema {self._schema!r}, which has: "
            f"{', '.join(sorted(self._tables.values()))}. Have {self._tool.name} sync it, or correct `schema` or "
            f"`prefix` under `synced: {self._source}` in the settings; if you do not use this object, write "
            f"`without: [{self._label.partition('.')[2]}]` there."
        )

    def _missing_columns(self, name: str, missing: list[str], columns: dict[str, Any]) -> str:
        return (
            f"{self._label}: the table {name!r} of {self._tool.name} lacks {', '.join(missing)}. It has: "
            f"{', '.join(sorted(column['name'] for column in columns.values()))}. "
            f"Have {self._tool.name} sync what is missing."
        )


def _column_of(path: str, table: SyncedTable) -> str:
    """The column, folded, in which a path begins."""
    first = path.split(".")[0]
    return _folded(table.each if table.each and first == "each" else first)


def _folded(name: str) -> str:
    """A name as it is compared with others: tools write CreatedDate, createddate or created_date."""
    return name.replace("_", "").lower()
