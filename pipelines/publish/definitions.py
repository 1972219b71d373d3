"""The definition of each measure: the SQL that computes it, as dbt compiles it, and a hash of that SQL.

Belongs here: having dbt compile the models, and finding what belongs to a measure. Does not belong here: recording
definitions (`basis.py`), and comparing those of two publications (`answers/differences.py`).

The definition of a measure is its part of `int_kpi_measures`, the rest of that model, `kpi_scorecard`, and the SQL of
its mart and of everything that the mart is made from, as dbt compiles it, with all settings filled in. Its hash leaves
out comments, layout and the case of keywords. It leaves out the as-of date and the data folder, too: both are given to
each run, and neither defines anything.
"""

import ast
import hashlib
import json
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.config_files import ConfigError
from pipelines.settings import PROJECT_DIR, Settings
from pipelines.sources import Source
from pipelines.transform.dbt_runner import invoke
from pipelines.transform.project import assemble_project, dbt_command, dbt_environment, dbt_variables, stamp_of

MEASURES = "int_kpi_measures"
_SHARED = {MEASURES, "kpi_scorecard"}  # what all measures go through
_FORM = 2  # of the stored file; another number has it made again
_CALLED = PROJECT_DIR / "pipelines" / "transform" / "customer_value.py"  # by the Python model
_VARIABLE = re.compile(r"\bvar\(\s*['\"](\w+)['\"]")


@dataclass(frozen=True)
class Model:
    """A model's compiled SQL, and the settings that it contains."""

    model: str
    hash: str
    sql: str
    settings: tuple[str, ...]


@dataclass(frozen=True)
class Definition:
    """How one measure is computed: its own SQL, and the models and delivered tables that it is made from."""

    kpi_id: str
    variant: str
    hash: str
    sql: str
    models: tuple[str, ...]
    settings: tuple[str, ...]
    delivered_tables: tuple[str, ...]


def definitions(settings: Settings, sources: Sequence[Source], manifest: Path) -> tuple[list[Model], list[Definition]]:
    """All measures of the installation as dbt's `manifest` describes it, and the models that they are computed by.

    The caller holds the writer lock of the warehouse, which dbt opens to look up columns. What dbt has compiled is kept
    until a model, a setting or a source changes.

    Raises:
        ConfigError: dbt cannot compile the models; the message is dbt's own.
    """
    file = manifest.with_name("definitions.json")
    stamp = [_FORM, stamp_of(manifest)]
    kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if kept.get("stamp") != stamp:
        parsed = json.loads(manifest.read_text(encoding="utf-8"))
        code = _compiled(settings, sources, parsed)
        models, found = definitions_of(
            parsed, {name: text.replace(str(settings.raw_dir), "raw") for name, text in code.items()}
        )
        kept = {"stamp": stamp, "models": [asdict(model) for model in models], "found": [asdict(one) for one in found]}
        file.write_text(json.dumps(kept), encoding="utf-8")
    return [Model(**_with_tuples(one)) for one in kept["models"]], [
        Definition(**_with_tuples(one)) for one in kept["found"]
    ]


def _with_tuples(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}


def _compiled(settings: Settings, sources: Sequence[Source], manifest: Mapping[str, Any]) -> dict[str, str]:
    """The code of each model as dbt would build it from nothing, by name."""
    parsed = settings.dbt_target_dir / "target" / "partial_parse.msgpack"
    folder = parsed.with_name("definitions")
    options = ["compile", "--full-refresh", "--select", "resource_type:model", "--indirect-selection", "empty"]
    options += ["--target-path", str(folder), "--log-path", str(folder), "--no-write-json"]
    options += ["--quiet", "--log-level", "none", "--log-level-file", "none", "--no-send-anonymous-usage-stats"]
    _, *arguments = dbt_command(options, assemble_project(settings), dbt_variables(settings, sources))
    # Whatever the as-of date is, the definition is the same.
    environment = {**dbt_environment(settings, date.min), "KPI_AS_OF_DATE": "as-of date"}
    ended = invoke(arguments, environment, parsed)
    if not ended.succeeded:
        raise ConfigError(f"dbt cannot compile the models:\n{ended.error or ended.results}")
    called = _CALLED.read_text(encoding="utf-8")
    return {
        node["name"]: file.read_text(encoding="utf-8") + (called if node["language"] == "python" else "")
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
        if (file := folder / "compiled" / node["package_name"] / node["original_file_path"]).exists()
    }


def definitions_of(manifest: Mapping[str, Any], code: Mapping[str, str]) -> tuple[list[Model], list[Definition]]:
    """All measures of dbt's `manifest`, and the models that they are computed by.

    `code` is the compiled code of the models, by name.
    """
    nodes = {node["name"]: node for node in manifest["nodes"].values() if node["name"] in code}
    parts, rest = _measures(code[MEASURES]) if MEASURES in code else ({}, "")
    models = {
        name: Model(name, _hash_of(text, nodes[name]["language"]), _tidy(text), _variables(manifest, nodes[name]))
        for name, node in sorted(nodes.items())
        for text in [rest if name == MEASURES else code[name]]
    }
    found = []
    for (kpi_id, variant), part in sorted(parts.items()):
        made_from = _ancestors(manifest, [nodes[mart]["unique_id"] for mart in part.marts if mart in nodes])
        # Targets and comparisons, which are made from the marts of other KPIs, define no value.
        names = {name for name, node in nodes.items() if node["unique_id"] in made_from} | (nodes.keys() & _SHARED)
        found.append(
            Definition(
                kpi_id,
                variant,
                _hash(_hash_of(part.sql, "sql"), *(f"{name} {models[name].hash}" for name in sorted(names))),
                part.sql,
                tuple(sorted(names)),
                tuple(sorted({setting for name in names for setting in models[name].settings})),
                tuple(sorted(_table(manifest["sources"][one]) for one in made_from & manifest["sources"].keys())),
            )
        )
    used = {name for definition in found for name in definition.models}
    return [models[name] for name in sorted(used)], found


def _table(source: Mapping[str, Any]) -> str:
    return f"{source['source_name']}.{source['name']}"


@dataclass(frozen=True)
class _Part:
    """What `int_kpi_measures` says about one measure, and the marts that it reads."""

    sql: str
    marts: set[str]


def _measures(sql: str) -> tuple[dict[tuple[str, str], _Part], str]:
    """The parts of `int_kpi_measures`, by KPI and variant, and the rest of its SQL.

    A part consists of the selects that name KPI and variant as literals. The mart is what the one with a value reads.
    """
    texts: dict[tuple[str, str], list[str]] = {}
    marts: dict[tuple[str, str], set[str]] = {}
    rest = [*sql]
    for select in _selects(sql):
        named = {name: select.literals[name] for name in ("kpi_id", "variant") if name in select.literals}
        if len(named) < 2:
            continue
        key = (named["kpi_id"], named["variant"])
        texts.setdefault(key, []).append(_tidy(sql[select.start : select.end]))
        if "value" in select.aliases:
            marts.setdefault(key, set()).add(select.reads)
        rest[select.start : select.end] = [""] * (select.end - select.start)
    return {key: _Part("\n\n".join(found), marts.get(key, set())) for key, found in texts.items()}, "".join(rest)


@dataclass
class _Select:
    """A select within a query: where it starts and ends, and what it names at its own level."""

    start: int
    end: int = 0
    reads: str = ""  # the table or common table expression after `from`
    aliases: set[str] = field(default_factory=set)
    literals: dict[str, str] = field(default_factory=dict)  # texts, by alias


def _selects(sql: str) -> list[_Select]:
    """Every select of a query, also nested ones, each up to the next `union` of its level or its closing bracket."""
    from sqlglot import TokenType

    ends = {TokenType.UNION, TokenType.EXCEPT, TokenType.INTERSECT, TokenType.R_PAREN}
    tokens = _tokens(sql)
    found: list[_Select] = []
    levels: list[_Select | None] = [None]  # the select that is open at each level of brackets
    for position, token in enumerate(tokens):
        current = levels[-1]
        if current and token.token_type in ends:
            current.end = tokens[position - 1].end + 1
            levels[-1] = None
        if token.token_type is TokenType.L_PAREN:
            levels.append(None)
        elif token.token_type is TokenType.R_PAREN:
            levels.pop()
        elif token.token_type is TokenType.SELECT and current is None:
            found.append(_Select(token.start))
            levels[-1] = found[-1]
        elif current and token.token_type is TokenType.FROM:
            current.reads = tokens[position + 1].text
        elif current and token.token_type is TokenType.ALIAS:
            current.aliases.add(tokens[position + 1].text)
            if tokens[position - 1].token_type is TokenType.STRING:
                current.literals[tokens[position + 1].text] = tokens[position - 1].text
    for select in found:
        select.end = select.end or len(sql)
    return found


def _tokens(sql: str) -> list[Any]:
    """The words of a query, without comments and layout."""
    from sqlglot.dialects import DuckDB

    return list(DuckDB().tokenize(sql))


def _tidy(sql: str) -> str:
    """SQL without the blank lines that macros leave, from the left margin."""
    first, *others = [line for line in sql.splitlines() if line.strip()]
    return "\n".join([first.strip(), *textwrap.dedent("\n".join(others)).splitlines()])


def _hash_of(code: str, language: str) -> str:
    """The same for code that differs only in comments, layout and, in SQL, the case of what is not quoted."""
    if language == "python":
        return _hash(ast.unparse(ast.parse(code)))
    from sqlglot import TokenType

    quoted = (TokenType.STRING, TokenType.IDENTIFIER)
    words = [
        (str(token.token_type), token.text if token.token_type in quoted else token.text.lower())
        for token in _tokens(code)
    ]
    return _hash(json.dumps(words))


def _variables(manifest: Mapping[str, Any], node: Mapping[str, Any]) -> tuple[str, ...]:
    """The dbt variables that a model contains, itself or by the macros that it calls."""
    code, waiting, seen = [node["raw_code"]], list(node["depends_on"].get("macros", ())), set()
    while waiting:
        if (name := waiting.pop()) in seen or name not in manifest["macros"]:
            continue
        seen.add(name)
        code.append(manifest["macros"][name]["macro_sql"])
        waiting += manifest["macros"][name]["depends_on"]["macros"]
    return tuple(sorted(set(_VARIABLE.findall("\n".join(code)))))


def _ancestors(manifest: Mapping[str, Any], unique_ids: Iterable[str]) -> set[str]:
    """The unique ids of these nodes, and of everything that they are made from.

    What models are made from that read everything for a few dates (`meta: {passes_on: content}`) is left out.
    Otherwise, each measure would be made from all deliveries.
    """
    found: set[str] = set()
    waiting = list(unique_ids)
    while waiting:
        if (unique_id := waiting.pop()) not in found:
            found.add(unique_id)
            node = manifest["nodes"].get(unique_id, {})
            if node.get("config", {}).get("meta", {}).get("passes_on") != "content":
                waiting += node.get("depends_on", {}).get("nodes", ())
    return found


def _hash(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
