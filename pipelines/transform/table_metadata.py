"""What dbt has built, as Dagster shows it: a table's row count, its columns, and the lineage of the columns.

Belongs here: reading that from the warehouse after dbt has released it.
Does not belong here: running dbt (`assets.py`).

dagster-dbt can query rows and columns itself, but it uses a second connection of dbt's adapter in this process. That
connection locks the warehouse's file, so that a later run in the same process could not open it.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from pipelines.sql import quote_name
from pipelines.transform.column_lineage import as_metadata, lineage_of_models
from pipelines.warehouse import reader


def built_tables(
    warehouse_path: Path, manifest: Mapping[str, Any], folder: Path, built: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """Metadata of each of the manifest's models and seeds that is in the warehouse, by unique id.

    `folder` contains the compiled SQL of those that were `built` just now. Rows of views are not counted, because that
    would execute the views. Where a model declares its columns with their types, as marts do, Dagster shows them
    anyway. For other models, the types come from the warehouse and the descriptions from the model.
    """
    with reader(warehouse_path) as connection:
        columns: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for schema, table, name, kind in connection.execute(
            "select schema_name, table_name, column_name, data_type from duckdb_columns() order by column_index"
        ).fetchall():
            columns.setdefault((schema, table), []).append((name, kind))
        tables = connection.execute("select schema_name, table_name from duckdb_tables()").fetchall()
        counts = {
            (schema, table): rows
            for schema, table, rows in connection.execute(
                " union all ".join(
                    f"select '{schema}', '{table}', count(*) from {quote_name(schema)}.{quote_name(table)}"
                    for schema, table in tables
                )
                or "select '', '', 0"
            ).fetchall()
        }
    found: dict[str, dict[str, Any]] = {}
    names = {place: [name for name, _ in kinds] for place, kinds in columns.items()}
    lineages = lineage_of_models(manifest, folder, names, built)
    for node in manifest["nodes"].values():
        place = (node["schema"], node["name"])
        if place not in columns:
            continue
        metadata: dict[str, Any] = {}
        if place in counts:
            metadata["dagster/row_count"] = counts[place]
        if not _declares_types(node):
            described = {name: column.get("description", "") for name, column in node["columns"].items()}
            metadata["dagster/column_schema"] = dg.TableSchema(
                [dg.TableColumn(name, kind, described.get(name) or None) for name, kind in columns[place]]
            )
        if lineage := lineages.get(node["unique_id"]):
            metadata["dagster/column_lineage"] = as_metadata(lineage)
        found[node["unique_id"]] = metadata
    return found


def _declares_types(node: Mapping[str, Any]) -> bool:
    columns = node["columns"].values()
    return bool(columns) and all(column.get("data_type") for column in columns)
