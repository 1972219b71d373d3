"""Has dbt build only what has changed: models and tests are skipped if none of their inputs has changed.

Belongs here: the version of each model and test, the versions that the warehouse contains, and what must be built.
Does not belong here: running dbt (`dbt_runner.py`), and reporting to Dagster (`assets.py`).

The version of a model is a hash of everything that it is built from: the versions of its parents, down to the files in
raw; the whole project with its variables; the environment variables that it reads. Equal versions mean equal rows, so
it is enough to compare the version that would be built with the one that was built. The versions are stored in a file
beside the warehouse, together with the time and size that the warehouse had when its build ended. If anything has
written to the warehouse since, a build that died, dbt by itself or a person, no version is known, and everything is
built.

A view shows what its parents contain. If its own definition has not changed, it gets its new version without being
created again.

A model that has many inputs but whose rows rarely change (`meta: {passes_on: content}`) passes on a hash of its rows
instead of its version. It is built first, since only then is it known what else must be built.

Shipped models depend on nothing else. A company's own models may: on the time, a random number, a file, or a table that
they read without `ref()`. Every run builds a model that appears to do so, and everything that is built from it.
"""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any
from uuid import uuid4

from pipelines.checks.content import CHANGES_BY_ITSELF
from pipelines.disk import write_whole
from pipelines.transform.engines import engine
from pipelines.warehouse import reader

_LARGEST_EMPTY_FILE = 4096  # bytes; larger files are not opened: there is one for each table and day
FEWEST_SPARED = 10  # models and tests: building in two steps costs as much time as these
_COMPANY = "company/"  # the project's folder with a company's own models
_READS_PAST_REF = re.compile(
    r"""
    \b(from|join)\s+\w+\s*\. | \b(staging|intermediate|marts|fingerprints|main)\s*\.
    | \b(run_started_at|invocation_id|modules|adapter|graph|run_query|statement|load_result)\b
    | \b(from|join)\s+"
    """,
    re.IGNORECASE | re.VERBOSE,
)
_ENVIRONMENT_VARIABLE = re.compile(r"env_var\(\s*['\"](\w+)['\"]")
_CONTENT = "select count(*), sum(hash(t)) from {} as t"
_RELATIONS = """
select schema_name, table_name from duckdb_tables() where schema_name <> 'fingerprints'
union all select schema_name, view_name from duckdb_views() where not internal
"""


@dataclass(frozen=True)
class Built:
    """A model as a run has built it in the warehouse, or a test that passed."""

    version: str
    run_id: str
    relation: str | None  # as `schema.name`; tests have none
    content: str | None = None  # a hash of its rows, if it passes on that hash
    made_from: str | None = None  # a hash of what it is built from except its parents


class Versions:
    """The versions that a build would now give to sources, seeds, models and tests.

    `parsed_from` stands for the project and its variables. A node that may depend on anything else gets a new version
    each time. Files are examined once: what arrives while dbt builds counts for the next build.
    """

    def __init__(
        self, manifest: Mapping[str, Any], parsed_from: str, environment: Mapping[str, str], raw_dir: Path
    ) -> None:
        self.nodes: dict[str, Mapping[str, Any]] = {**manifest["sources"], **manifest["nodes"]}
        self.order = parents_first(manifest)
        self.passing_on_content = {
            unique_id
            for unique_id, node in self.nodes.items()
            if node.get("config", {}).get("meta", {}).get("passes_on") == "content"
        }
        stores_views = engine(environment.get("KPI_ENGINE", "duckdb")).STORES_VIEWS
        self.views = {
            unique_id
            for unique_id, node in self.nodes.items()
            if node.get("config", {}).get("materialized") == "view" and not stores_views
        }
        # Hashes of everything that a node is built from except its parents.
        self.own = {
            unique_id: _hash(parsed_from, unique_id, *_own_inputs(node, environment, raw_dir))
            for unique_id, node in self.nodes.items()
        }

    def given(self, known: Mapping[str, Built], *, same_content: bool = False) -> dict[str, str]:
        """All versions by unique id, parents first; `known` is what the warehouse contains.

        The content of a model that passes it on is not known before the model is built. Until then, what is built from
        it has a version that equals no stored one, unless the rows are assumed to be the `same_content`.
        """
        versions: dict[str, str] = {}
        passed_on: dict[str, str] = {}
        for unique_id in self.order:
            parents = _parents(self.nodes[unique_id])
            inputs = sorted(f"{parent} {passed_on.get(parent, 'is missing')}" for parent in parents)
            versions[unique_id] = passed_on[unique_id] = _hash(self.own[unique_id], *inputs)
            if unique_id in self.passing_on_content:
                before = known.get(unique_id)
                is_known = before and (same_content or before.version == versions[unique_id])
                passed_on[unique_id] = (before.content if before and is_known else None) or str(uuid4())
        return versions

    def ancestors(self, unique_ids: Iterable[str]) -> set[str]:
        """These nodes and everything that they are built from."""
        found: set[str] = set()
        waiting = list(unique_ids)
        while waiting:
            if (unique_id := waiting.pop()) in self.nodes and unique_id not in found:
                found.add(unique_id)
                waiting += _parents(self.nodes[unique_id])
        return found


def parents_first(manifest: Mapping[str, Any]) -> list[str]:
    """The unique ids of all sources, seeds, models and tests, each after what it reads."""
    nodes = {**manifest["sources"], **manifest["nodes"]}
    order = TopologicalSorter({unique_id: _parents(node) for unique_id, node in nodes.items()}).static_order()
    return [unique_id for unique_id in order if unique_id in nodes]


def build_what_changed(
    warehouse_path: Path,
    versions: Versions,
    wanted: Collection[str],
    build: Callable[[list[str]], Collection[str]],
    run_id: str,
    *,
    everything: bool = False,
) -> dict[str, Built]:
    """Have dbt build those of `wanted` that have changed, or `everything`; return the others as they are.

    Those are nodes that an earlier run has built, and views that this run need not create again. `build` builds models
    and runs tests, given by unique id, and returns those that succeeded. If one that must be built first fails, the
    rest is not built.
    """

    standing: dict[str, Built] = {}

    def build_and_remember(asked: list[str]) -> set[str]:
        before = built(warehouse_path)
        views = set() if everything else _standing_views(versions, before, asked)
        rest = [unique_id for unique_id in asked if unique_id not in views]
        succeeded = views.union(build(rest) if rest else ())
        remember(warehouse_path, versions, before, asked, succeeded, run_id)
        standing.update((one, found) for one, found in built(warehouse_path).items() if one in views)
        return succeeded

    first = [] if everything else _worth_building_first(versions, wanted, built(warehouse_path))
    if first and set(first) - build_and_remember(first):
        return standing
    kept = {} if everything else unchanged(warehouse_path, versions, wanted)
    if changed := [unique_id for unique_id in versions.order if unique_id in wanted and unique_id not in kept]:
        build_and_remember(changed)
    return {unique_id: before for unique_id, before in kept.items() if unique_id not in first} | standing


def unchanged(warehouse_path: Path, versions: Versions, wanted: Collection[str]) -> dict[str, Built]:
    """Those of `wanted` that the warehouse contains in the version that a build would now give them, parents first."""
    known = built(warehouse_path)
    return {
        unique_id: known[unique_id]
        for unique_id, version in versions.given(known).items()
        if unique_id in wanted and unique_id in known and known[unique_id].version == version
    }


def _standing_views(versions: Versions, known: Mapping[str, Built], asked: Iterable[str]) -> set[str]:
    """The views among `asked` that dbt would create again as they are.

    The columns of a company's own models may change with the data, and a view on them must then be created again.
    """
    return {
        unique_id
        for unique_id in asked
        if unique_id in versions.views
        and unique_id in known
        and known[unique_id].made_from == versions.own[unique_id]
        and not any(_is_own(versions.nodes[one]) for one in versions.ancestors([unique_id]))
    }


def _worth_building_first(versions: Versions, wanted: Collection[str], known: Mapping[str, Built]) -> list[str]:
    """What must be built first to learn the content that changed models pass on, if that may save enough work."""
    same, at_worst = versions.given(known, same_content=True), versions.given(known)
    before = {unique_id: known[unique_id].version for unique_id in wanted if unique_id in known}
    spared = [unique_id for unique_id, version in before.items() if version == same[unique_id] != at_worst[unique_id]]
    if len(spared) < FEWEST_SPARED:
        return []
    asked = {one for one in versions.passing_on_content if one in wanted and before.get(one) != same[one]}
    first = {one for one in versions.ancestors(asked) if one in wanted and before.get(one) != same[one]}
    return [unique_id for unique_id in versions.order if unique_id in first]


def built(warehouse_path: Path) -> dict[str, Built]:
    """What the warehouse contains, by unique id: models and seeds whose version is known, and tests that passed."""
    try:
        stored = json.loads(_file(warehouse_path).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # nothing was stored yet, or the file is damaged
        return {}
    state = _state(warehouse_path)
    if state is None or stored["warehouse"] != state:
        return {}
    return {unique_id: Built(**found) for unique_id, found in stored["nodes"].items()}


def versions_of_tables(warehouse_path: Path) -> dict[tuple[str, str], str | None]:
    """The version of each table and view of the warehouse, by schema and name; None if it is not known."""
    with reader(warehouse_path) as connection:
        there = connection.execute(_RELATIONS).fetchall()
    known = {found.relation: found.version for found in built(warehouse_path).values()}
    return {(schema, name): known.get(f"{schema}.{name}") for schema, name in there}


def remember(
    warehouse_path: Path,
    versions: Versions,
    before: Mapping[str, Built],
    asked: Collection[str],
    succeeded: Collection[str],
    run_id: str,
) -> None:
    """Store that run `run_id` has just built models, and that tests have just passed in it, of those that it was asked.

    `before` is what the warehouse contained until then. What was built from an outdated parent, as when a person
    selects what to build, gets no version.
    """
    # A source that is no longer enabled takes its models with it.
    kept = versions.nodes.keys() - set(asked)
    known = {unique_id: found for unique_id, found in before.items() if unique_id in kept}
    contents = _contents(warehouse_path, versions, succeeded)
    passing_on = {one: Built("", run_id, _relation(versions.nodes[one]), content) for one, content in contents.items()}
    now = versions.given(known | passing_on, same_content=True)
    current = {one for one, found in known.items() if found.version == now[one] or found.content}
    current |= {one for one, node in versions.nodes.items() if node["resource_type"] == "source"}
    for unique_id in versions.order:
        node = versions.nodes[unique_id]
        if unique_id in succeeded and current.issuperset(_parents(node)):
            current.add(unique_id)
            known[unique_id] = Built(
                now[unique_id], run_id, _relation(node), contents.get(unique_id), versions.own[unique_id]
            )
    nodes = {unique_id: asdict(found) for unique_id, found in known.items()}
    file = _file(warehouse_path)
    write_whole(file, json.dumps({"warehouse": _state(warehouse_path), "nodes": nodes}))


def _contents(warehouse_path: Path, versions: Versions, succeeded: Collection[str]) -> dict[str, str]:
    """A hash of the rows of each model that was built and passes it on."""
    passing_on = versions.passing_on_content.intersection(succeeded)
    if not passing_on:
        return {}
    with reader(warehouse_path) as connection:
        queries = {unique_id: _CONTENT.format(_relation(versions.nodes[unique_id])) for unique_id in passing_on}
        return {unique_id: str(connection.execute(query).fetchone()) for unique_id, query in queries.items()}


def _file(warehouse_path: Path) -> Path:
    return warehouse_path.with_suffix(".versions.json")


def _state(warehouse_path: Path) -> list[int] | None:
    """The time and size of the warehouse; None if it is missing or a write to it was never completed."""
    if not warehouse_path.exists() or warehouse_path.with_name(f"{warehouse_path.name}.wal").exists():
        return None
    status = warehouse_path.stat()
    return [status.st_mtime_ns, status.st_size]


def _own_inputs(node: Mapping[str, Any], environment: Mapping[str, str], raw_dir: Path) -> list[str]:
    """Everything that a node is built from except its parents."""
    if _may_depend_on_more(node, raw_dir):
        return [str(uuid4())]
    if node["resource_type"] == "source":
        return _files_of(node, raw_dir)
    return [f"{name}={environment.get(name)}" for name in _ENVIRONMENT_VARIABLE.findall(node["raw_code"])]


def _may_depend_on_more(node: Mapping[str, Any], raw_dir: Path) -> bool:
    if node["resource_type"] == "source":
        return str(raw_dir) not in str(node.get("meta", {}).get("external_location"))
    if not _is_own(node):
        return False
    config = node["config"]
    hooks = [hook["sql"] for moment in ("pre-hook", "post-hook") for hook in config.get(moment, ())]
    code = "\n".join([node["raw_code"], *hooks, str(config.get("where")), str(node.get("test_metadata"))])
    return node["language"] != "sql" or any(pattern.search(code) for pattern in (CHANGES_BY_ITSELF, _READS_PAST_REF))


def _is_own(node: Mapping[str, Any]) -> bool:
    """Whether a node is one of a company's own models or tests."""
    return node["resource_type"] != "source" and str(node["original_file_path"]).startswith(_COMPANY)


def _files_of(source: Mapping[str, Any], raw_dir: Path) -> list[str]:
    """The files of a source that contain rows: a day without a delivery, which raw records in a file, adds nothing.

    Raw files are replaced as a whole, never changed, so a new one has a new inode or time.
    """
    folder = raw_dir / source["source_name"] / source["name"]
    stats = [(file, file.stat()) for file in sorted(folder.glob("*/rows.parquet"))]
    return [
        f"{file.parent.name} {stat.st_ino} {stat.st_mtime_ns} {stat.st_size}"
        for file, stat in stats
        if stat.st_size > _LARGEST_EMPTY_FILE or not _is_empty(file, stat.st_size)
    ]


def _is_empty(parquet: Path, size: int) -> bool:
    """Whether a file consists of nothing but its footer, whose length is in front of the last four bytes."""
    with parquet.open("rb") as file:
        file.seek(max(size - 8, 0))
        length = int.from_bytes(file.read(4), "little")
    return size == 4 + length + 8


def _parents(node: Mapping[str, Any]) -> list[str]:
    """The unique ids of what a node reads; sources and seeds read none."""
    parents: list[str] = node.get("depends_on", {}).get("nodes", [])
    return parents


def _relation(node: Mapping[str, Any]) -> str | None:
    return f"{node['schema']}.{node['alias']}" if node["resource_type"] in ("model", "seed") else None


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
