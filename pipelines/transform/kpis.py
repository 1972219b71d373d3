"""Says which KPIs a mart belongs to, so that people can find everything about win_rate.

Belongs here: reading that from dbt's manifest. Does not belong here: what the KPIs are (`seeds/kpi_catalogue.csv`).
"""

import csv
import re
from collections.abc import Mapping
from typing import Any

from pipelines.transform.project import SHIPPED_PROJECT_DIR


def kpis_of_marts(manifest: Mapping[str, Any]) -> dict[str, list[str]]:
    """The KPIs of each mart, by the mart's unique id.

    `kpi_win_rate` belongs to win_rate, and so does each fact that it is built from. Dimensions belong to no KPI, since
    every KPI uses them. Where its name does not tell, a model names its KPIs: `meta: {kpis: [win_rate]}`.
    """
    nodes: dict[str, Any] = {name: node for name, node in manifest["nodes"].items() if node["resource_type"] == "model"}
    known = kpi_ids()
    found: dict[str, set[str]] = {}
    for unique_id, node in nodes.items():
        named = re.fullmatch(r"kpi_(.+?)(?:__.*)?", node["name"])
        kpis = {*([named[1]] if named else []), *node["config"].get("meta", {}).get("kpis", [])} & known
        if not kpis:
            continue
        facts = [name for name in _upstream(nodes, unique_id) if nodes[name]["name"].startswith("fct_")]
        for name in (unique_id, *facts):
            found.setdefault(name, set()).update(kpis)
    return {name: sorted(kpis) for name, kpis in found.items()}


# What every KPI shares: from when to when there is data at all, and how a year's targets are spread over its days.
_OF_EVERY_KPI = {"int_histories", "int_target_weights"}


def kpis_of_tables(manifest: Mapping[str, Any]) -> dict[str, list[str]]:
    """The KPIs of each mart, by its name, and of each delivered table that their marts are made from, as `shop.orders`.

    That a delivery makes the history begin earlier, or changes the targets of days, does not count.
    """
    nodes, sources = manifest["nodes"], manifest["sources"]
    found: dict[str, set[str]] = {}
    for unique_id, kpis in kpis_of_marts(manifest).items():
        found.setdefault(nodes[unique_id]["name"], set()).update(kpis)
        if not nodes[unique_id]["name"].startswith("kpi_"):
            continue  # a fact has more KPIs than those of its rows' own sources
        for name in _sources_behind(manifest, unique_id):
            table = f"{sources[name]['source_name']}.{sources[name]['name']}"
            found.setdefault(table, set()).update(kpis)
    return {name: sorted(kpis) for name, kpis in found.items()}


def _sources_behind(manifest: Mapping[str, Any], unique_id: str) -> set[str]:
    """dbt's sources of a model, without those that it needs only for what every KPI shares."""
    nodes, parents = manifest["nodes"], manifest["parent_map"]
    seen: set[str] = set()
    waiting = [unique_id]
    while waiting:
        here = waiting.pop()
        if here not in seen and nodes.get(here, {}).get("name") not in _OF_EVERY_KPI:
            seen.add(here)
            waiting += parents.get(here, ())
    return seen & set(manifest["sources"])


def kpi_ids() -> set[str]:
    """The ids of the KPIs in the catalogue."""
    with (SHIPPED_PROJECT_DIR / "seeds" / "kpi_catalogue.csv").open(encoding="utf-8", newline="") as file:
        return {row["kpi_id"] for row in csv.DictReader(file)}


def _upstream(nodes: Mapping[str, Any], unique_id: str) -> set[str]:
    """The models that a model is built from, directly or indirectly."""
    found: set[str] = set()
    waiting = [unique_id]
    while waiting:
        for parent in nodes[waiting.pop()]["depends_on"]["nodes"]:
            if parent in nodes and parent not in found:
                found.add(parent)
                waiting.append(parent)
    return found
