"""Which delivered tables a model is made from, to name them where something is wrong with the model.

Belongs here: following dbt's dependencies up to what was delivered.
Does not belong here: the lineage of columns (`column_lineage.py`).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PIPELINE = "pipeline"  # the source that contains this pipeline's own inputs, such as decisions about deliveries


def read_manifest(file: Path) -> dict[str, Any]:
    """dbt's `manifest.json`; without content if dbt has not parsed the models yet."""
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return found


def tables_behind(manifest: Mapping[str, Any], schema: str, name: str) -> list[str]:
    """The delivered tables that a model is made from, such as `shop.orders`: those fewest steps away come first."""
    nodes, sources, parents = (manifest.get(part, {}) for part in ("nodes", "sources", "parent_map"))
    here = [id_ for id_, node in nodes.items() if (node.get("schema"), node.get("name")) == (schema, name)]
    seen: dict[str, None] = {}
    while here:
        seen |= dict.fromkeys(here)
        here = [parent for id_ in here for parent in parents.get(id_, ()) if parent not in seen]
    found = [sources[id_] for id_ in seen if id_ in sources]
    return [f"{table['source_name']}.{table['name']}" for table in found if table["source_name"] != _PIPELINE]
