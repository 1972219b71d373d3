"""The draft of a source as a person would write it: its YAML, dbt source, base model and staging model.

Belongs here: the text of those files, and adding a table to an existing source. Does not belong here: what the columns
mean (`mapping.py`). Files that a person wrote are overwritten only if the person says so.
"""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml
from pydantic import ValidationError

from pipelines.config_files import ConfigError, load_yaml_model, problem_in_words
from pipelines.onboarding.columns import Column
from pipelines.onboarding.entities import NO_ENTITY
from pipelines.onboarding.mapping import USUAL_SQL, nothing_like
from pipelines.onboarding.months import MONTH, VALUE
from pipelines.onboarding.proposals import Mapped, Proposal, quoted, text
from pipelines.onboarding.sniffing import Described
from pipelines.sources import SHIPPED_DIR, Source, SourceFile
from pipelines.tables import TableRef

WIDTH = 120


@dataclass(frozen=True)
class Origin:
    """Where the rows come from: the `path` pattern of a file, or a database table and the variable with its address."""

    path: str | None = None
    connection_env: str | None = None
    database_table: str | None = None
    cursor: str | None = None


@dataclass(frozen=True)
class Draft:
    """A table of a source, ready to be written. Paths are relative to the company folder."""

    source: str
    table: str
    owner: str
    described: Described
    proposal: Proposal
    origin: Origin
    replaces: Source | None = field(default=None)  # the current source, if it already exists

    @property
    def source_path(self) -> Path:
        """The path of the source's YAML file."""
        return Path("sources") / f"{self.source}.yml"

    @property
    def models_path(self) -> Path:
        """The folder of the source's models."""
        return Path("models") / "staging" / self.source


def existing_source(company_dir: Path, source: str) -> Source | None:
    """The company's source of that name, or None.

    Raises:
        ConfigError: the project ships a source of that name, or its file cannot be read.
    """
    if (SHIPPED_DIR / f"{source}.yml").exists():
        raise ConfigError(
            f"--name: {source!r} is the name of a shipped source. If it is the same system, add it to `sources` in "
            f"kpi.yml and you are done; otherwise give yours another name, such as my_{source}."
        )
    path = company_dir / "sources" / f"{source}.yml"
    return load_yaml_model(path, SourceFile).model_copy(update={"name": source}) if path.exists() else None


def write_draft(draft: Draft, company_dir: Path, force: bool = False) -> list[Path]:
    """Write the draft's files to the company folder, and return their paths.

    A source that already exists gets another table. With `force`, a table that it already has is drafted anew: a model
    of another entity that read only this table goes.

    Raises:
        ConfigError: a model already exists and `force` is not given, or the table cannot be added automatically.
    """
    models = company_dir / draft.models_path
    base = models / f"{TableRef(draft.source, draft.table).log}.sql"
    staging = {
        models / f"stg_{draft.source}__{one.entity}.sql": staging_model(draft, one)
        for one in (draft.proposal, *draft.proposal.also)
        if one.entity != NO_ENTITY
    }
    texts = {
        company_dir / draft.source_path: _source_text(draft, company_dir, force),
        models / f"_{draft.source}__sources.yml": _dbt_sources_text(draft, models / f"_{draft.source}__sources.yml"),
        base: base_model(draft),
        **staging,
    }
    for path, option in ((base, "table with --table"), *((path, "source with --name") for path in staging)):
        if path.exists() and not force:
            raise ConfigError(f"{path}: already exists. Overwrite it with --force, or add another {option}.")
    _check_source(texts[company_dir / draft.source_path], draft)
    for path in _models_before(draft, company_dir) - set(staging):
        path.unlink()
    for path, content in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return list(texts)


def _models_before(draft: Draft, company_dir: Path) -> set[Path]:
    """The staging models that read the draft's table, and no other, before it is drafted."""
    models = (company_dir / draft.models_path).glob(f"stg_{draft.source}__*.sql")
    reads = re.compile(rf"(?:latest_rows|versions_by_day)\('{draft.source}', '(\w+)'\)")
    return {path for path in models if set(reads.findall(path.read_text(encoding="utf-8"))) == {draft.table}}


def _check_source(content: str, draft: Draft) -> None:
    """Check that the source loads before it is written.

    Raises:
        ConfigError: the value of an option, such as the owner, is not valid.
    """
    try:
        SourceFile.model_validate(yaml.safe_load(content))
    except ValidationError as error:
        problem = error.errors()[0]
        setting = ".".join(map(str, problem["loc"]))
        raise ConfigError(
            f"{draft.source_path}: {setting}: {problem_in_words(problem)} Nothing was written; "
            "give another value on the command line."
        ) from None


# --- The source's YAML ------------------------------------------------------------------------------------------------


def _source_text(draft: Draft, company_dir: Path, force: bool) -> str:
    if draft.replaces is None:
        head = [
            f"description: {_scalar(draft.source.replace('_', ' ').capitalize() + '.')}",
            f"connector: {'sql' if draft.origin.connection_env else 'files'}",
            *([f"connection_env: {draft.origin.connection_env}"] if draft.origin.connection_env else []),
            f"owner: {draft.owner}",
            'sla: "06:00"  # when, on the day after the delivery day, the delivery must be here',
            f"entities: [{', '.join(draft.proposal.entities)}]",
            *([f"rhythm: {{{draft.proposal.entity}: monthly}}"] if draft.proposal.rhythm else []),
            "",
            "tables:",
        ]
        return "\n".join([*head, *_table_lines(draft), ""])
    path = company_dir / draft.source_path
    before = path.read_text(encoding="utf-8")
    if draft.table not in draft.replaces.tables:
        return _with_table(before, draft, path, draft.replaces.entities)
    if not force:
        raise ConfigError(
            f"{path}: already has a table {draft.table!r}. Give the new one another name with --table, "
            "or overwrite it with --force."
        )
    if list(draft.replaces.tables) == [draft.table]:
        return _source_text(replace(draft, replaces=None), company_dir, force)
    drafted = {model.stem.removeprefix(f"stg_{draft.source}__") for model in _models_before(draft, company_dir)}
    kept = [entity for entity in draft.replaces.entities if entity not in drafted]
    return _with_table(_without_table(before, draft.table), draft, path, kept)


def _without_table(before: str, table: str) -> str:
    """The source's YAML without this table. Everything else stays as its author wrote it."""
    lines = before.rstrip("\n").split("\n")
    start = lines.index(f"  {table}:") if f"  {table}:" in lines else len(lines)
    end = next((place for place in range(start + 1, len(lines)) if re.match(r" {0,2}\S", lines[place])), len(lines))
    return "\n".join([*lines[:start], *lines[end:]])


def _with_table(before: str, draft: Draft, path: Path, entities: Sequence[str]) -> str:
    """The source's YAML with another table at the end, and with these entities and the draft's.

    Everything else stays as its author wrote it."""
    assert draft.replaces is not None
    lines = before.rstrip("\n").split("\n")
    tops = [line for line in lines if re.match(r"[a-z_]+:", line)]
    listed = [place for place, line in enumerate(lines) if re.match(r"entities: *\[.*\] *(#.*)?$", line)]
    ends_with_tables = (
        bool(tops) and tops[-1].rstrip() == "tables:" and any(re.match(r"  \w+: *$", line) for line in lines)
    )
    same_connector = draft.replaces.connector == ("sql" if draft.origin.connection_env else "files")
    if not (listed and ends_with_tables and same_connector):
        raise ConfigError(
            f"{path}: no table can be added to this file automatically. "
            f"Add `{', '.join(draft.proposal.entities)}` to `entities`, and this below `tables`:\n"
            + "\n".join(_table_lines(draft))
        )
    if {*entities, *draft.proposal.entities} != set(draft.replaces.entities):
        lines[listed[0]] = f"entities: [{', '.join(dict.fromkeys([*entities, *draft.proposal.entities]))}]"
    return "\n".join([*lines, "", *_table_lines(draft), ""])


def _table_lines(draft: Draft) -> list[str]:
    described, proposal = draft.described, draft.proposal
    columns = list(described.delivered_columns)
    if draft.origin.connection_env:  # personal columns that nothing uses are not even fetched
        columns = [column for column in columns if not (column.is_personal and column in proposal.unused)]
    names = [column.name for column in columns]
    personal = [column.name for column in columns if column.is_personal and column.name not in proposal.not_personal]
    row = _row_of(proposal.entity) if proposal.entities else "record; no KPI counts them"
    lines = [f"description: {_scalar(f'One row per {row}.')}"]
    if draft.origin.database_table:
        fetch = {"table": draft.origin.database_table}
        if draft.origin.cursor:
            fetch |= {"cursor": draft.origin.cursor}
        lag = ", lag_days: 2" if draft.origin.cursor else ""
        lines.append("fetch: {" + ", ".join(f"{key}: {_scalar(value)}" for key, value in fetch.items()) + lag + "}")
    else:
        lines += [f"path: {_scalar(draft.origin.path or '')}", f"format: {described.format}"]
        if described.skip_lines:
            lines.append(f"skip_lines: {described.skip_lines}")
        if described.skip_rows:
            lines.append(f"skip_rows: {_scalar(described.skip_rows)}")
        if described.format == "csv" and described.delimiter != ",":
            lines.append('delimiter: "\\t"' if described.delimiter == "\t" else f'delimiter: "{described.delimiter}"')
        if described.encoding != "utf-8":
            lines.append(f"encoding: {described.encoding}")
    lines += _list("columns", [name for name in names if name not in described.optional_columns])
    if described.optional_columns:
        lines += _list("optional_columns", described.optional_columns)
    if personal:
        lines += _list("personal_columns", personal)
    lines += _list("key", proposal.key)
    if proposal.newest_by:
        lines += _list("newest_by", [proposal.newest_by])
    if proposal.tombstone:
        deleted = proposal.tombstone.condition.replace("$column", quoted(proposal.tombstone.column.name))
        lines.append(f"tombstone: {_scalar(deleted)}")
    if proposal.date_column:
        lines.append(f"date_column: {_scalar(proposal.date_column)}")
    lines.append("empty_day: allowed  # days without a delivery are normal")
    if described.last_line_end == "optional" and described.format in ("csv", "jsonl", "whitespace"):
        lines.append("last_line_end: optional  # the file this was made from has none")
    return [f"  {draft.table}:", *(f"    {line}" for line in lines)]


def _row_of(entity: str) -> str:
    special = {"ad_spend": "campaign and day", "opportunities": "opportunity", "fx_rates": "currency and day"}
    return special.get(entity, _in_words(entity).removesuffix("s"))


def _in_words(entity: str) -> str:
    return entity.replace("_", " ").replace("nps", "NPS").replace("fx", "FX")


def _list(key: str, values: Sequence[str]) -> list[str]:
    """A YAML list, on one line if it fits, otherwise wrapped over several lines."""
    cells = [_scalar(value, in_list=True) for value in values]
    line = f"{key}: [{', '.join(cells)}]"
    if len(line) <= WIDTH - 4:
        return [line]
    filled: list[str] = [""]
    for cell in cells:
        if len(filled[-1]) + len(cell) > WIDTH - 10:
            filled.append("")
        filled[-1] += f"{cell}, "
    return [f"{key}:", "  [", *(f"    {line.rstrip()}" for line in filled), "  ]"]


def _scalar(value: str, in_list: bool = False) -> str:
    """`value` as YAML text, in quotes only where YAML would read it as something else."""
    plain = re.fullmatch(r"\w([\w .()/{}%-]*[\w)}.])?", value) and not (in_list and re.search(r"[{}]", value))
    try:
        same = yaml.safe_load(value) == value
    except yaml.YAMLError:
        same = False
    if plain and same and not (": " in value or " #" in value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t").replace("\n", "\\n") + '"'


def _dbt_sources_text(draft: Draft, path: Path) -> str:
    if path.exists():
        before = path.read_text(encoding="utf-8").rstrip("\n")
        content = yaml.safe_load(before)
        tables = [table["name"] for source in content["sources"] for table in source["tables"]]
        if draft.table in tables:
            return before + "\n"
        last = before.split("\n")[-1]
        item = re.match(r"^( *)- name: ", [line for line in before.split("\n") if re.match(r"^ *- name: ", line)][-1])
        if not item or len(content["sources"]) != 1 or not last.startswith(item[1]):
            raise ConfigError(f"{path}: add `- name: {draft.table}` below `tables`, and run this again.")
        return f"{before}\n{item[1]}- name: {draft.table}\n"
    return f"sources:\n- name: {draft.source}\n  tables:\n  - name: {draft.table}\n"


# --- The models -------------------------------------------------------------------------------------------------------


def base_model(draft: Draft) -> str:
    """The delivery log. Columns that are not mapped stay text, so that they cannot make a row unreadable. Personal
    columns that are not mapped do not leave raw."""
    types = _types(draft.proposal, draft.described)
    left_out = [
        column.name
        for column in draft.described.delivered_columns
        if column.is_personal and column.name not in types and column.name not in draft.proposal.not_personal
    ]
    only_raw = [name for name in draft.proposal.only_raw if name not in left_out]
    lines = []
    for column in draft.described.delivered_columns:
        if column.name in left_out or column.name in only_raw:
            continue
        type_, options = types.get(column.name, ("text", {}))
        cells = f"['{text(column.name)}', '{type_}'"
        lines.append(f"    {cells}, {{{', '.join(options)}}}]," if options else f"    {cells}],")
    comment = [f"-- Every delivered row of {draft.source}.{draft.table}, typed; one row per delivered row."]
    if left_out:
        comment += _comment(f"Personal and not used here, so they stay in raw: {', '.join(left_out)}.")
    if only_raw:
        comment += _comment(f"Different on the rows of one key, so they stay in raw: {', '.join(only_raw)}.")
    body = f"{{{{ delivery_log('{draft.source}', '{draft.table}', ["
    return "\n".join([*comment, body, *lines, "]) }}", ""])


def _types(proposal: Proposal, described: Described) -> dict[str, tuple[str, list[str]]]:
    """The type and options of each delivered column that is used, derived from its use."""
    uses: dict[str, tuple[Column, str, bool]] = {}
    for mapped in (mapped for one in (proposal, *proposal.also) for mapped in one.columns):
        for column in (mapped.column, *mapped.others):
            if column and column.name not in uses:
                uses[column.name] = (column, mapped.sql_type, mapped.is_required)
    for name in (*proposal.key, proposal.newest_by):
        if name and not name.startswith("_") and name not in uses:
            column = described.column(name)
            uses[name] = (column, "timestamp" if name == proposal.newest_by else "string", name in proposal.key)
    if proposal.tombstone and proposal.tombstone.column.name not in uses:
        column, is_flag = proposal.tombstone.column, proposal.tombstone.is_flag
        uses[column.name] = (column, "boolean" if is_flag else "string", False)
    if described.months:
        of_value = uses.pop(VALUE)
        uses.pop(MONTH)
        months = (column for column in described.delivered_columns if column.name in described.months)
        uses |= {column.name: (column, of_value[1], False) for column in months}
    return {
        name: _type(column, sql_type, is_required or name in proposal.key)
        for name, (column, sql_type, is_required) in uses.items()
    }


def _type(column: Column, sql_type: str, is_required: bool) -> tuple[str, list[str]]:
    wanted = {
        "timestamp": ("timestamp", "date"),
        "date": ("date", "timestamp"),
        "bigint": ("integer",),
        "boolean": ("boolean",),
    }.get(sql_type, ("decimal", "integer") if sql_type.startswith("decimal") else ())
    reading = column.reading(*wanted)
    options = ["'required': true"] if is_required and column.is_complete else []
    if reading is None:
        return "text", options
    type_ = "decimal" if sql_type.startswith("decimal") else reading.type
    if reading.format:
        options.append(f"'format': '{reading.format}'")
    if type_ == "decimal" and reading.decimal == ",":
        options.append("'decimal': ','")
    ignore = list(reading.ignore)
    if type_ == "decimal" and reading.decimal == ",":
        ignore = [sign for sign in ignore if sign != " "]  # a decimal comma implies that these are skipped
    elif type_ == "decimal":
        options += [f"'thousands': '{sign}'" for sign in ignore if sign in (",", ".")]
        ignore = [sign for sign in ignore if sign not in (",", ".")]
    if ignore:
        options.append(f"'ignore': [{', '.join(_literal(sign) for sign in ignore)}]")
    if type_ == "timestamp" and "utc" not in column.name.lower():
        options.append("'time_zone': var('time_zone')")
    return type_, options


def _literal(sign: str) -> str:
    return '"' + sign + '"' if sign == "'" else f"'{sign}'"


def staging_model(draft: Draft, proposal: Proposal) -> str:
    """The newest version of each key, in the entity's columns."""
    entity = proposal.entity
    meaning = _in_words(entity)
    meaning = meaning[0].upper() + meaning[1:]
    is_history = entity == "sales_rep_versions" and draft.proposal is not proposal
    what = "at each delivery" if is_history else "newest version"
    lines = [f"-- {meaning} of {draft.source}, {what}; one row per {_row_of(entity)}."]
    if proposal.unused:
        lines += _comment(f"Delivered and not used: {', '.join(column.name for column in proposal.unused)}.")
    macro = "versions_by_day" if is_history else "latest_rows"
    selected = [_select(mapped) for mapped in proposal.columns]
    place = ["_source_file,", "_row_number,", "_delivered_on"]
    rows = "by_month" if draft.described.months else "latest"
    end = [f"from {rows}", *([f"where {proposal.where}"] if proposal.where else [])]
    if proposal.summed:
        selected = [
            _summed(mapped) if mapped.name in proposal.summed else _select(mapped) for mapped in proposal.columns
        ]
        place = [
            "min(_source_file) as _source_file,",
            "min(_row_number) as _row_number,",
            "max(_delivered_on) as _delivered_on",
        ]
        grouped = [
            str(number) for number, mapped in enumerate(proposal.columns, start=1) if mapped.name not in proposal.summed
        ]
        end.append(f"group by {', '.join(grouped)}")
    lines += [
        "with",
        "",
        "latest as (",
        f"    {{{{ {macro}('{draft.source}', '{draft.table}') }}}}",
        *_by_month(draft.described),
        ")",
        "",
        "select",
        *(f"    {line}" for line in (*selected, *place)),
        *end,
        "",
    ]
    return "\n".join(lines)


def _by_month(described: Described) -> list[str]:
    """The lines that turn columns of months into rows; none if there are no such columns."""
    if not described.months:
        return []
    months = [f"        ['{text(name)}', '{month}']," for name, month in described.months.items()]
    return [
        "),",
        "",
        "by_month as (",
        "    {%- for column, month in [",
        *months,
        "    ] %}",
        f"    select *, cast('{{{{ month }}}}' as date) as {MONTH}, {{{{ column }}}} as {VALUE}",
        "    from latest",
        "    where {{ column }} is not null",
        "    {{ 'union all' if not loop.last }}",
        "    {%- endfor %}",
    ]


def _summed(mapped: Mapped) -> str:
    if mapped.column is None:
        return _select(mapped)
    sql = (mapped.sql or "$column").replace("$column", quoted(mapped.column.name))
    sql_type = "bigint" if mapped.sql_type == "bigint" else mapped.sql_type
    return f"cast(sum({sql}) as {sql_type}) as {mapped.name},"


def _select(mapped: Mapped) -> str:
    if mapped.column is None and mapped.sql is None:
        hint = f"  {{# TODO map: {_to_write(mapped)} #}}"
        sql_type = mapped.sql_type.replace("varchar", "string")
        if mapped.is_required:
            return f"{{{{ unmapped('{mapped.name}', '{sql_type}') }}}} as {mapped.name},{hint}"
        return f"cast(null as {sql_type}) as {mapped.name},{hint}"
    sql = mapped.sql or "$column"
    if mapped.column:
        sql = sql.replace("$column", quoted(mapped.column.name)).replace("$text", text(mapped.column.name))
    return f"{sql}," if sql == mapped.name else f"{sql} as {mapped.name},"


def _to_write(mapped: Mapped) -> str:
    """What a person writes instead of NULL, or why no column was found: `upper(COLUMN) as currency_code; type text`."""
    if mapped.hint != nothing_like(mapped.name):
        return mapped.hint
    kind = mapped.sql_type.partition("(")[0]
    type_ = {"string": "text", "varchar": "text", "bigint": "integer"}.get(kind, kind)
    sql = USUAL_SQL.get(mapped.name, "$column").replace("$column", "COLUMN").replace("$text", "COLUMN")
    return f"{sql} as {mapped.name}; type {type_}"


def _comment(sentence: str) -> list[str]:
    return [f"-- {line}" for line in textwrap.wrap(" ".join(sentence.split()), WIDTH - 3, break_long_words=False)]
