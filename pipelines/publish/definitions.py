"""What published numbers are based on: the definition of each measure, the settings, and the deliveries.

Belongs here: reading the three, and writing them into a publication's `meta` schema. Does not belong here: comparing
two publications (`answers/differences.py`).

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
from dataclasses import asdict, astuple, dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from pipelines.answers.differences import definition_changes, new_tables
from pipelines.config_files import ConfigError
from pipelines.settings import PROJECT_DIR, Settings
from pipelines.sources import Source, each_table
from pipelines.sql import quote_pattern, quote_text
from pipelines.tables import day_of, raw_days, raw_file
from pipelines.transform.dbt_runner import invoke
from pipelines.transform.descriptions import Description
from pipelines.transform.project import assemble_project, dbt_command, dbt_environment, dbt_variables, stamp_of
from pipelines.warehouse import attach_read_only, in_memory

MEASURES = "int_kpi_measures"
_SHARED = {MEASURES, "kpi_scorecard"}  # what all measures go through
_FORM = 1  # of the stored file; another number has it made again
_CALLED = PROJECT_DIR / "pipelines" / "transform" / "customer_value.py"  # by the Python model
PLAN_FILE = "plan.duckdb"  # the latest plan that changes a definition, beside what is published
PLANNED = "planned"  # stands for the id of a publication in a plan
_MONTHS_OF_A_CHANGE = 3  # of which both values are recorded
_VARIABLE = re.compile(r"\bvar\(\s*['\"](\w+)['\"]")

TABLES_OF_BASIS = {
    "definitions": Description(
        "How each measure was computed: its hash changes if and only if its SQL or a setting in it does; one row per "
        "KPI and variant.",
        {
            "hash": "The same for the same definition, whatever its comments and layout.",
            "formula": "The formula in words.",
            "sql": "The measure's own part of the scorecard's SQL.",
            "models": "The models that it is computed by, in definition_models.",
            "settings": "The settings that its SQL contains.",
            "delivered_tables": "The delivered tables that it is made from, like shop.orders.",
        },
    ),
    "definition_models": Description(
        "The SQL of the models that measures are computed by, with all settings filled in; one row per model.", {}
    ),
    "settings": Description(
        "The settings that numbers depend on, as JSON; one row per setting. Passwords are no settings.", {}
    ),
    "definition_changes": Description(
        "Measures that a publication defined in another way than the one before; one row per publication, KPI and "
        "variant.",
        {
            "models": "The models whose SQL differs.",
            "settings": "The settings in them that differ, with both values, as JSON.",
            "cause": "As in definition_change_values.",
        },
    ),
    "definition_change_values": Description(
        "Values of the three complete months before a definition changed; one row per publication, month, KPI, variant "
        "and entity.",
        {
            "value_before": "By the definition before.",
            "value_after": "By the definition of this publication.",
            "cause": "definition, if both values are made from the same deliveries; definition and data, if the value "
            "before is that of the publication before, and deliveries are new as well.",
        },
    ),
    "deliveries": Description(
        "The deliveries that these numbers were made from; one row per source, table and delivery day.",
        {"content": "The same for the same files, read in the same way."},
    ),
}


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


@dataclass(frozen=True)
class Delivered:
    """What a table received on a day."""

    source: str
    table_name: str
    delivered_on: date
    content: str


@dataclass(frozen=True)
class Basis:
    """What numbers are based on."""

    definitions: Sequence[Definition]
    models: Sequence[Model]
    settings: Mapping[str, str]
    deliveries: Sequence[Delivered]


def basis(settings: Settings, sources: Sequence[Source], manifest: Path) -> Basis:
    """What a publication of the warehouse as it is now would be based on, if dbt's `manifest` describes its models.

    The caller holds the writer lock of the warehouse, which dbt opens to look up columns. What dbt has compiled is kept
    until a model, a setting or a source changes.

    Raises:
        ConfigError: dbt cannot compile the models; the message is dbt's own.
    """
    file = manifest.with_name("definitions.json")
    stamp = [_FORM, stamp_of(manifest)]
    kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if kept.get("stamp") != stamp:
        models, definitions = _definitions(settings, sources, manifest)
        kept = {"stamp": stamp, "models": [asdict(model) for model in models]}
        kept["definitions"] = [asdict(definition) for definition in definitions]
        file.write_text(json.dumps(kept), encoding="utf-8")
    return Basis(
        [Definition(**_with_tuples(one)) for one in kept["definitions"]],
        [Model(**_with_tuples(one)) for one in kept["models"]],
        settings_of_numbers(settings, sources),
        delivered(settings, sources),
    )


def _with_tuples(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}


def settings_of_numbers(settings: Settings, sources: Iterable[Source]) -> dict[str, str]:
    """The settings that numbers depend on, as JSON by name: the variables of dbt, and the country of the holidays."""
    values = {**dbt_variables(settings, sources), "holiday_country": settings.holiday_country}
    return {name: json.dumps(value, sort_keys=True, ensure_ascii=False) for name, value in sorted(values.items())}


def delivered(settings: Settings, sources: Iterable[Source]) -> list[Delivered]:
    """Every landed delivery of these sources, by source, table and day."""
    found = []
    for source, name, _ in each_table(sources):
        days = raw_days(settings.raw_dir, source.name, name)
        files = [raw_file(settings.raw_dir, source.name, name, day) for day in days]
        if not files:
            continue
        with in_memory() as connection:
            made_from = dict(
                connection.execute(
                    "select file_name, md5(value::varchar) from parquet_kv_metadata("
                    f"[{', '.join(map(quote_pattern, files))}]) where decode(key) = 'made_from'"
                ).fetchall()
            )
        found += [
            Delivered(source.name, name, day_of(file), made_from.get(str(file)) or _hash(file.read_bytes().hex()))
            for file in files
        ]
    return sorted(found, key=lambda one: (one.source, one.table_name, one.delivered_on))


def record(connection: duckdb.DuckDBPyConnection, found: Basis, database: str) -> None:
    """Write what numbers are based on into the schema `meta` of a database with the scorecard."""
    models = [(one.model, one.hash, one.sql, list(one.settings)) for one in found.models]
    definitions = [
        (one.kpi_id, one.variant, one.hash, one.sql, list(one.models), list(one.settings), list(one.delivered_tables))
        for one in found.definitions
    ]
    frames = {
        "of_models": pd.DataFrame(models, columns=["model", "hash", "sql", "settings"]),
        "of_measures": pd.DataFrame(
            definitions, columns=["kpi_id", "variant", "hash", "sql", "models", "settings", "delivered_tables"]
        ),
        "of_settings": pd.DataFrame(found.settings.items(), columns=["name", "value"]),
        "of_deliveries": pd.DataFrame(
            [astuple(one) for one in found.deliveries], columns=["source", "table_name", "delivered_on", "content"]
        ),
    }
    for name, frame in frames.items():
        connection.register(name, frame)
    connection.execute(
        f"""
        create table {database}.meta.definitions as
        select
            kpi_id, variant, hash, formula_en as formula, sql, cast(models as varchar[]) as models,
            cast(of_measures.settings as varchar[]) as settings,
            cast(delivered_tables as varchar[]) as delivered_tables
        from of_measures
        left join {database}.marts.kpi_variants using (kpi_id, variant)
        order by all;
        create table {database}.meta.definition_models as
        select model, hash, sql, cast(settings as varchar[]) as settings from of_models order by all;
        create table {database}.meta.settings as select name, value from of_settings order by all;
        create table {database}.meta.deliveries as
        select source, table_name, cast(delivered_on as date) as delivered_on, content from of_deliveries order by all
        """
    )
    for name in frames:
        connection.unregister(name)


def record_changes(
    connection: duckdb.DuckDBPyConnection,
    publication_id: str,
    published_at: datetime,
    previous: Path,
    planned: Path | None = None,
) -> None:
    """Record which measures the candidate defines in another way than the `previous` publication, and what that did.

    Both values are known of the three complete months before. They are made from the same deliveries if no delivery is
    new, or if the change is the one that `kpi plan` has `planned`; otherwise, the cause is `definition and data`. What
    earlier publications recorded is kept.
    """
    connection.execute(
        """
        create table candidate.meta.definition_changes (
            publication_id varchar, published_at timestamp, kpi_id varchar, variant varchar, hash_before varchar,
            hash_after varchar, models varchar[], settings varchar, cause varchar
        );
        create table candidate.meta.definition_change_values (
            publication_id varchar, period_month date, kpi_id varchar, variant varchar, entity_type varchar,
            entity_id varchar, value_before decimal(38, 12), value_after decimal(38, 12), cause varchar
        )
        """
    )
    if not previous.exists():
        return
    attach_read_only(connection, previous, "previous")
    has = connection.execute(
        "select table_name from duckdb_tables() where database_name = 'previous' and schema_name = 'meta'"
    ).fetchall()
    for table in ("definition_changes", "definition_change_values"):
        if (table,) in has:
            connection.execute(f"insert into candidate.meta.{table} from previous.meta.{table}")
    if ("definitions",) in has:
        _insert_changes(connection, publication_id, published_at)
        if planned and planned.exists():
            _take_over(connection, publication_id, planned)
    connection.execute("detach previous")


def _take_over(connection: duckdb.DuckDBPyConnection, publication_id: str, planned: Path) -> None:
    """Where data have changed, too, take both values from a plan of the same change."""
    attach_read_only(connection, planned, "planned")
    connection.execute(
        f"""
        create temp table planned_measures as
        select kpi_id, variant
        from candidate.meta.definition_changes as changes
        inner join planned.meta.definition_changes as planned using (kpi_id, variant, hash_before, hash_after)
        where
            changes.publication_id = {quote_text(publication_id)}
            and planned.publication_id = {quote_text(PLANNED)}
            and changes.cause <> 'definition';

        update candidate.meta.definition_changes set cause = 'definition'
        where publication_id = {quote_text(publication_id)} and (kpi_id, variant) in (from planned_measures);

        delete from candidate.meta.definition_change_values
        where publication_id = {quote_text(publication_id)} and (kpi_id, variant) in (from planned_measures);

        insert into candidate.meta.definition_change_values
        select {quote_text(publication_id)}, columns(* exclude (publication_id))
        from planned.meta.definition_change_values
        where publication_id = {quote_text(PLANNED)} and (kpi_id, variant) in (from planned_measures)
        order by all;

        drop table planned_measures
        """
    )
    connection.execute("detach planned")


def _insert_changes(connection: duckdb.DuckDBPyConnection, publication_id: str, published_at: datetime) -> None:
    [[is_other_day]] = connection.execute(
        "select (select max(as_of_date) from previous.marts.kpi_scorecard) "
        "is distinct from (select max(as_of_date) from candidate.marts.kpi_scorecard)"
    ).fetchall()
    other_tables = set(new_tables(connection, "previous", "candidate"))
    tables_of = {
        (kpi_id, variant): set(tables)
        for kpi_id, variant, tables in connection.execute(
            "select kpi_id, variant, delivered_tables from candidate.meta.definitions"
        ).fetchall()
    }
    for change in definition_changes(connection, "previous", "candidate"):
        tables = tables_of.get((change.kpi_id, change.variant), set())
        settings = {
            name: {"before": json.loads(old or "null"), "after": json.loads(new or "null")}
            for name, (old, new) in change.settings.items()
        }
        cause = "definition and data" if tables & other_tables or is_other_day else "definition"
        connection.execute(
            "insert into candidate.meta.definition_changes values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                *(publication_id, published_at, change.kpi_id, change.variant, change.before, change.after),
                *(list(change.models), json.dumps(settings), cause),
            ],
        )
    connection.execute(
        f"""
        insert into candidate.meta.definition_change_values
        select
            publication_id, period_start, kpi_id, variant, entity_type, entity_id, old.value, new.value, cause
        from candidate.meta.definition_changes as changes
        inner join candidate.marts.kpi_scorecard as new using (kpi_id, variant)
        inner join previous.marts.kpi_scorecard as old
            using (grain, period_start, kpi_id, variant, entity_type, entity_id)
        where
            publication_id = ?
            and (grain, period_start) in (
                select (grain, period_start) from previous.marts.dim_period
                where grain = 'month' and is_complete
                order by period_start desc
                limit {_MONTHS_OF_A_CHANGE}
            )
        order by all
        """,
        [publication_id],
    )


def _definitions(
    settings: Settings, sources: Sequence[Source], manifest_file: Path
) -> tuple[list[Model], list[Definition]]:
    manifest = json.loads(manifest_file.read_text(encoding="utf-8"))
    code = _compiled(settings, sources, manifest)
    return definitions_of(manifest, {name: text.replace(str(settings.raw_dir), "raw") for name, text in code.items()})


def _compiled(settings: Settings, sources: Sequence[Source], manifest: Mapping[str, Any]) -> dict[str, str]:
    """The code of each model as dbt would build it from nothing, by name."""
    parsed = settings.dbt_target_dir / "target" / "partial_parse.msgpack"
    folder = parsed.with_name("definitions")
    options = [
        "compile",
        "--full-refresh",
        "--select",
        "resource_type:model",
        "--indirect-selection",
        "empty",
        "--quiet",
        "--no-send-anonymous-usage-stats",
    ]
    options += ["--no-write-json", "--target-path", str(folder), "--log-path", str(folder), "--log-level", "none"]
    options += ["--log-level-file", "none"]
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
