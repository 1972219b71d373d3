"""Column lineage: the columns that each column of a model is computed from, as Dagster shows it.

Belongs here: reading lineage from the SQL that dbt compiled, and storing it until the models change.
Does not belong here: lineage between tables, which Dagster gets from dbt.

dagster-dbt has sqlglot analyse each column separately, which takes minutes for some hundred models. This module
qualifies a model's SQL once, and follows all its columns through the same tree.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from pipelines.disk import write_whole
from pipelines.tables import TableRef

Table = tuple[str, str]  # schema and name
Columns = Mapping[Table, Iterable[str]]
Lineage = dict[str, list[tuple[str, str, str]]]  # by column: schema, table and column, in order

_RAW = "raw:"  # prefix of a source's name, so that it cannot be a schema of the warehouse
_TEMPORARY = "temp:"  # for tables that exist only while a model is built


def lineage_of_models(
    manifest: Mapping[str, Any], folder: Path, columns: Columns, built: Iterable[str]
) -> dict[str, Lineage]:
    """The lineage, by unique id, of the models `built` just now, whose SQL dbt has compiled into `folder`.

    `columns` are the columns of the warehouse's tables. The lineage is stored in the folder until the project is
    parsed again. Models that sqlglot cannot parse, and models that are not SQL, have no lineage.
    """
    file = folder / "column_lineage.json"
    parsed_at = manifest["metadata"]["generated_at"]
    kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    lineages: dict[str, Lineage] = kept["models"] if kept.get("parsed_at") == parsed_at else {}
    sources = {
        source["relation_name"]: (_RAW + source["schema"], source["identifier"])
        for source in manifest["sources"].values()
    }
    added = {
        model: column_lineage(sql.read_text(encoding="utf-8"), columns, sources)
        for model in built
        if model not in lineages and (node := manifest["nodes"][model])["resource_type"] == "model"
        if node["language"] == "sql"
        if (sql := folder / "compiled" / node["package_name"] / node["original_file_path"]).exists()
    }
    if added:
        lineages |= added
        write_whole(file, json.dumps({"parsed_at": parsed_at, "models": lineages}))
    return lineages


def as_metadata(lineage: Lineage) -> dg.TableColumnLineage:
    """A model's lineage as Dagster's metadata."""
    return dg.TableColumnLineage(
        {
            column: [
                dg.TableColumnDep(
                    TableRef(schema.removeprefix(_RAW), table).asset if schema.startswith(_RAW) else [schema, table],
                    name,
                )
                for schema, table, name in made_from
            ]
            for column, made_from in lineage.items()
        }
    )


def column_lineage(sql: str, columns: Columns, sources: Mapping[str, Table] | None = None) -> Lineage:
    """The columns of warehouse tables and `sources` that each column of a query is computed from.

    `sources` are keyed by what stands for them in the SQL. Counts and literals are computed from no column. The result
    is empty if sqlglot cannot parse the query.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import build_scope
    from sqlglot.schema import MappingSchema

    for text, (schema, name) in (sources or {}).items():
        sql = sql.replace(text, f'"{schema}"."{name}"')
    known: dict[str, Any] = {}  # only what the query reads: sqlglot normalises every name that it is given
    try:
        parsed = sqlglot.parse_one(sql, dialect="duckdb")
        of_query = {part.alias for part in parsed.find_all(exp.CTE)}
        for table in parsed.find_all(exp.Table):
            names = columns.get((table.db, table.name), ())
            if not table.db and table.name not in of_query:
                table.set("db", exp.to_identifier(_TEMPORARY))
                names = ("",)  # sqlglot gives up if it knows no column of a table
            if names:
                known.setdefault(table.db, {})[table.name] = dict.fromkeys(names, "TEXT")
        query = qualify(
            parsed,
            dialect="duckdb",
            schema=MappingSchema(known, dialect="duckdb"),
            validate_qualify_columns=False,
            allow_partial_qualification=True,
            expand_alias_refs=False,
        )
        scope = build_scope(query)
        if scope is None or not isinstance(query, exp.Query):
            return {}
        origins = _Origins(scope)
        return {column: sorted(origins.of(column)) for column in query.named_selects}
    except Exception:  # any error of sqlglot: lineage is only shown, and must not fail a run
        return {}


class _Origins:
    """Follows each column of a query to the tables it comes from."""

    def __init__(self, scope: Any) -> None:
        self._scope = scope
        self._found: set[tuple[str, str, str]] = set()
        self._seen: set[tuple[int, str]] = set()
        self._names_of: dict[int, list[str]] = {}

    def of(self, column: str) -> set[tuple[str, str, str]]:
        self._found, self._seen = set(), set()
        self._follow(self._scope, column)
        return self._found

    def _follow(self, scope: Any, column: str) -> None:
        from sqlglot import exp

        if (id(scope), column) in self._seen:
            return
        self._seen.add((id(scope), column))
        query = scope.expression
        if isinstance(query, exp.SetOperation):
            position = self._names(query).index(column)
            for part in scope.set_operation_scopes:
                self._follow(part, self._names(part.expression)[position])
            return
        if not isinstance(query, exp.Query):
            return
        selected = [select for select in query.selects if select.alias_or_name == column]
        for select in selected or [select for select in query.selects if select.is_star]:
            for used in select.find_all(exp.Column):
                self._used(scope, used.table, column if used.is_star else used.name)
            if isinstance(select, exp.Star):
                self._used(scope, "", column)

    def _names(self, query: Any) -> list[str]:
        """The names of a query's columns, which sqlglot collects from all its parts whenever it is asked."""
        if id(query) not in self._names_of:
            self._names_of[id(query)] = query.named_selects
        return self._names_of[id(query)]

    def _used(self, scope: Any, table: str, column: str) -> None:
        """`table` is a name in `scope` or in a query within its expressions; it is empty if it could be any table."""
        from sqlglot import exp

        parts = (scope, *scope.subquery_scopes)
        if not table:
            found = list(scope.sources.values())
        else:
            found = next(([part.sources[table]] for part in parts if table in part.sources), [])
        for source in found:
            if not isinstance(source, exp.Table):
                self._follow(source, column)
            elif source.db != _TEMPORARY and (table or len(found) == 1):
                self._found.add((source.db, source.name, column))
