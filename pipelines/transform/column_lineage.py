"""Column lineage: the columns that each column of a model is computed from, as Dagster shows it.

Belongs here: reading lineage from the SQL that dbt compiled, and storing it until a model changes.
Does not belong here: lineage between tables, which Dagster gets from dbt.

dagster-dbt has sqlglot analyse each column separately, which takes minutes for some hundred models. This module
qualifies a model's SQL once, and follows all its columns through the same tree.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

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
    parsed again. It is then read again of each model whose SQL, or a table that it reads, is not what it was. Models
    that sqlglot cannot parse, and models that are not SQL, have no lineage.
    """
    file = folder / "column_lineage.json"
    parsed_at = manifest["metadata"]["generated_at"]
    stored = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    # In files of earlier versions, the models were one level below, and nothing says what they were read from.
    kept = {model: _Kept(*one) for model, one in stored.items() if isinstance(one, list)}
    sources = {
        source["relation_name"]: (_RAW + source["schema"], source["identifier"])
        for source in manifest["sources"].values()
    }
    to_read = {
        model: compiled
        for model in built
        if (node := manifest["nodes"][model])["resource_type"] == "model" and node["language"] == "sql"
        if model not in kept or kept[model].parsed_at != parsed_at
        if (compiled := folder / "compiled" / node["package_name"] / node["original_file_path"]).exists()
    }
    for model, compiled in to_read.items():
        sql = with_source_names(compiled.read_text(encoding="utf-8"), sources)
        made_from, known = digest(sql, columns), kept.get(model)
        lineage = known.lineage if known and known.made_from == made_from else column_lineage(sql, columns)
        kept[model] = _Kept(parsed_at, made_from, lineage)
    if to_read:
        write_whole(file, json.dumps(kept))
    return {model: one.lineage for model, one in kept.items() if one.parsed_at == parsed_at}


class _Kept(NamedTuple):
    """A model's lineage as of a parsing of the project, and a digest of what it was read from."""

    parsed_at: str
    made_from: str
    lineage: Lineage


def digest(sql: str, columns: Columns) -> str:
    """The same for the same SQL if the tables that it may name have the same columns."""
    named = [(place, list(names)) for place, names in sorted(columns.items()) if place[1] in sql]
    return hashlib.sha256(json.dumps([sql, named]).encode()).hexdigest()


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


def with_source_names(sql: str, sources: Mapping[str, Table]) -> str:
    """The SQL with the name of each source in place of what stands for it, such as a call that reads its files."""
    for text, (schema, name) in sources.items():
        sql = sql.replace(text, f'"{schema}"."{name}"')
    return sql


def column_lineage(sql: str, columns: Columns) -> Lineage:
    """The columns of tables that each column of a query is computed from.

    Counts and literals are computed from no column. The result is empty if sqlglot cannot parse the query.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import build_scope
    from sqlglot.schema import MappingSchema

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
