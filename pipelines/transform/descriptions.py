"""Descriptions of tables and columns from the YAML of the models.

Belongs here: reading them from dbt's manifest. Does not belong here: where they are shown.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Description:
    """What a table contains, and what each of its columns means."""

    text: str
    columns: Mapping[str, str]


def descriptions_of_models(manifest: Path) -> dict[str, Description]:
    """The description of each model and seed, by name."""
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"].values()
    return {
        node["name"]: Description(
            node["description"], {name: column["description"] for name, column in node["columns"].items()}
        )
        for node in nodes
        if node["resource_type"] in ("model", "seed")
    }
