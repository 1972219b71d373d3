"""Descriptions of tables and columns, and the keys of tables, from the YAML of the models.

Belongs here: reading them from dbt's manifest. Does not belong here: where they are shown.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Description:
    """What a table contains, what each of its columns means, and the columns that identify a row, where known.

    `made_from` names the models and seeds that a model reads, and delivered tables as `source.table`.
    """

    text: str
    columns: Mapping[str, str]
    key: tuple[str, ...] = ()
    made_from: tuple[str, ...] = ()


def descriptions_of_models(manifest: Path) -> dict[str, Description]:
    """The description of each model and seed, by name."""
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"]
    keys = {
        node["attached_node"]: tuple(node["test_metadata"]["kwargs"].get("columns") or [node["column_name"]])
        for node in nodes.values()
        if node.get("test_metadata", {}).get("name") in ("unique", "unique_together")
    }
    return {
        node["name"]: Description(
            node["description"],
            {name: column["description"] for name, column in node["columns"].items()},
            keys.get(unique_id, ()),
            tuple(parent.split(".", 2)[2] for parent in node["depends_on"].get("nodes", [])),
        )
        for unique_id, node in nodes.items()
        if node["resource_type"] in ("model", "seed")
    }
