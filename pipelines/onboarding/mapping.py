"""From described columns to an entity: which entity of this project a table is, and where each column goes.

Belongs here: matching names (`synonyms.yml`) and types, and choosing the key. Does not belong here: reading files
(`sniffing.py`), and writing the mapping as SQL (`writing.py`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import yaml
from pydantic import BaseModel, ConfigDict

from pipelines.onboarding.cells import Reading
from pipelines.onboarding.columns import Column
from pipelines.onboarding.names import words_of
from pipelines.onboarding.sniffing import Described, UnrecognisedError
from pipelines.settings import PROJECT_DIR

PLACE = ("_source_file", "_row_number")  # the key of rows that have no key: their position

Columns = dict[str, str]  # the columns of an entity, with their SQL types
Assigned = dict[str, Column]  # entity column: delivered column


class Synonyms(BaseModel):
    """The entry of one entity in `synonyms.yml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: list[str]
    required: list[str]
    telling: list[str] = []
    keys: list[list[str]]
    otherwise: dict[str, str] = {}
    columns: dict[str, list[str]]


@dataclass(frozen=True)
class Mapped:
    """Where one entity column comes from.

    column: the delivered column, or None.
    sql: the expression, in which $column stands for the column; the whole expression if there is no column; or None.
    hint: why no column was found, for the person who completes the mapping.
    """

    name: str
    sql_type: str  # the type of the entity column, such as decimal(18, 6)
    column: Column | None = None
    sql: str | None = None
    is_required: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Proposal:
    """A delivered table as one of this project's entities.

    key: delivered columns, or `_source_file` and `_row_number` if the rows have no key.
    newest_by: the column that has the greater value in the newer version, if there is one.
    date_column: the delivered column that holds the date of the event, if there is one.
    """

    entity: str
    columns: tuple[Mapped, ...]
    key: tuple[str, ...]
    newest_by: str | None
    date_column: str | None
    unused: tuple[Column, ...]
    notes: tuple[str, ...]

    @property
    def missing(self) -> tuple[Mapped, ...]:
        """The entity columns that must be mapped before the model can be built."""
        return tuple(mapped for mapped in self.columns if mapped.is_required and not mapped.column and not mapped.sql)


@lru_cache
def entity_columns() -> dict[str, Columns]:
    """The columns and types of every entity, as listed in `dbt_project/macros/entities.sql`."""
    path = PROJECT_DIR / "dbt_project" / "macros" / "entities.sql"
    # The list is a dict literal in a macro. It is parsed from there, so that it exists only once.
    found = re.search(r"{%- set text, date.*?\n    } -%}", path.read_text(encoding="utf-8"), re.DOTALL)
    assert found, f"{path}: the list of entities was not found"
    listed: Any = jinja2.Environment().from_string(found.group()).module
    return {entity: dict(columns) for entity, columns in listed.entities.items()}


@lru_cache
def synonyms() -> dict[str, Synonyms]:
    """The names that other systems give to the columns of each entity."""
    content = yaml.safe_load(Path(__file__).with_name("synonyms.yml").read_text(encoding="utf-8"))
    return {entity: Synonyms.model_validate(one) for entity, one in content.items()}


def propose(
    described: Described, name: str, currency: str, entity: str | None = None, delivered: Sequence[str] = ()
) -> Proposal:
    """The entity that fits best, and the mapping of its columns.

    `name` consists of the names of the file and the table, whose words also count. `currency` is the currency of
    amounts that are delivered without one. `entity` overrides the choice. `delivered` lists the entities that the
    source already has.

    Raises:
        UnrecognisedError: no entity fits, or `entity` is not an entity.
    """
    if entity is not None and entity not in synonyms():
        raise UnrecognisedError(
            f"--entity: {entity!r} is not an entity. The entities are: {', '.join(sorted(synonyms()))}."
        )
    entity = entity or _best_entity(described, name)
    meaning = _with_order_columns(entity, described.columns, delivered)
    assigned, hints = _assign(described.columns, meaning)
    newest_by = _newest_by(described)
    key = _key(described, assigned, meaning, newest_by)
    columns = _mapped(entity, described, assigned, hints, meaning, key, currency)
    dates = [column.column.name for column in columns if column.column and column.sql_type in ("timestamp", "date")]
    used = {*key, newest_by, *(mapped.column.name for mapped in columns if mapped.column)}
    return Proposal(
        entity=entity,
        columns=columns,
        key=key,
        newest_by=newest_by,
        date_column=next((date for date in dates if date != newest_by), None),
        unused=tuple(column for column in described.columns if column.name not in used),
        notes=_notes(entity, described, columns, key, assigned, delivered),
    )


# --- Which entity -----------------------------------------------------------------------------------------------------


def _best_entity(described: Described, name: str) -> str:
    scores = {entity: _score(described, name, entity) for entity in synonyms()}
    best = max(scores, key=lambda entity: scores[entity])
    rivals = [entity for entity, score in scores.items() if score == scores[best]]
    if scores[best] < 4 or len(rivals) > 1:
        what = f"could be {' or '.join(rivals)}" if scores[best] >= 4 else "match none of this project's entities"
        raise UnrecognisedError(
            f"{described.label}: the columns {what}: {', '.join(column.name for column in described.columns[:20])}. "
            f"Specify what a row is with --entity: {', '.join(sorted(synonyms()))}."
        )
    return best


_ANY = (Reading("date"), Reading("decimal"), Reading("integer"))


def _score(described: Described, name: str, entity: str) -> float:
    """How well the columns fit. Important columns count three times; a less exact match of names counts less."""
    meaning = synonyms()[entity]
    # For this comparison, an ambiguous column can have whichever type its name suggests.
    settled = [
        replace(column, ambiguous=(), readings=_ANY) if column.ambiguous else column for column in described.columns
    ]
    assigned, _ = _assign(settled, meaning)
    telling = {*meaning.required, *meaning.telling, *(column for key in meaning.keys for column in key)}
    score = 0.0
    for target, column in assigned.items():
        cost = _cost(column, target, meaning) or 0
        score += (3 if target in telling else 1) * (0.6 if 3 <= cost < 20 else 1)
    score -= 1.5 * sum(target not in assigned for target in meaning.required)
    words = set(words_of(name).split("_"))
    score += 4 * bool(words & set(meaning.files))
    own_key = assigned.get(meaning.keys[0][0]) if len(meaning.keys[0]) == 1 else None
    if own_key and not own_key.is_unique and not _newest_by(described):
        score -= 4 if len(meaning.keys) == 1 else 1
    return score


# --- Which column -----------------------------------------------------------------------------------------------------


def _assign(columns: Sequence[Column], meaning: Synonyms) -> tuple[Assigned, dict[str, str]]:
    """The delivered column of each entity column; and hints why other columns were not used.

    The best matches are assigned first, and each delivered column is used only once.
    """
    candidates = []
    hints: dict[str, str] = {}
    for place, target in enumerate(meaning.columns):
        for column in columns:
            cost = _cost(column, target, meaning)
            if cost is None:
                continue
            problem = _misfit(column, target, _types(meaning)[target], meaning)
            if problem:
                hints.setdefault(target, problem)
            else:
                candidates.append((cost, place, target, column))
    assigned: Assigned = {}
    taken: set[str] = set()
    for _, _, target, column in sorted(candidates, key=lambda candidate: candidate[:2]):
        if target not in assigned and column.name not in taken:
            assigned[target] = column
            taken.add(column.name)
    return assigned, hints


def _types(meaning: Synonyms) -> Columns:
    listed = entity_columns()
    types = {name: type_ for columns in listed.values() for name, type_ in columns.items()}
    return {**types, "total_amount": "decimal(18, 6)"}


def _cost(column: Column, target: str, meaning: Synonyms) -> float | None:
    """How different the column's name is from the entity column's: 0 is the first synonym, None is no match."""
    words = words_of(column.name)
    known = meaning.columns[target]
    if words in known:
        return known.index(words)
    for own in meaning.files:  # such as order_status, Deal - Stage, review_score
        shorter = words.removeprefix(f"{own}_").removeprefix(f"{own}_")
        if shorter != words and shorter in known:
            return known.index(shorter) + 0.5
    if words.count("_") >= 3:  # a question of a survey
        for place, synonym in enumerate(known):
            if len(synonym) >= 9 and re.search(rf"(^|_){synonym}(_|$)", words):
                return place + 20
    return None


def _misfit(column: Column, target: str, sql_type: str, meaning: Synonyms) -> str:
    """Why a column with a matching name cannot be used; empty if it can."""
    reads = {
        "timestamp": ("timestamp", "date"),
        "date": ("date", "timestamp"),
        "bigint": ("integer",),
        "boolean": ("boolean",),
    }.get(sql_type, ("decimal", "integer") if sql_type.startswith("decimal") else ())
    if column.ambiguous and reads:
        option = "--decimal" if "mark" in column.ambiguous[0] else "--dates"
        choices = " or ".join(column.ambiguous)
        return f"{column.name} can be read as {choices}. Specify which with {option}"
    if reads and column.reading(*reads) is None:
        return f"{column.name} contains {column.type}, not {reads[0]}"
    if target == "score" and not column.values <= {*map(str, range(11))}:
        return f"{column.name} is not always 0 to 10"
    if not reads and column.type in ("date", "timestamp") and column.name not in meaning.keys[0]:
        return f"{column.name} contains {column.type}s"
    if column.is_personal and [target] == meaning.keys[0] and target != "customer_id":
        return f"{column.name} looks personal, but a key should not be"
    return ""


def _with_order_columns(entity: str, columns: Sequence[Column], delivered: Sequence[str]) -> Synonyms:
    """The synonyms of the entity's columns. If a source delivers order lines but no orders, the lines also carry the
    columns of their order."""
    lines, orders = synonyms()["order_items"], synonyms()["orders"]
    if entity != "order_items" or "orders" in delivered or "ordered_at" not in _assign(columns, orders)[0]:
        return synonyms()[entity]
    added = {name: known for name, known in orders.columns.items() if name not in (*lines.columns, "total_amount")}
    return lines.model_copy(
        update={
            "columns": {**lines.columns, **added},
            "required": [*lines.required, *orders.required],
            "otherwise": {**lines.otherwise, **orders.otherwise},
        }
    )


_HOW: dict[str, str] = {  # the expression for a delivered column, where it is not simply the column
    "status": "lower($column)",
    "currency_code": "upper($column)",
    "from_currency": "upper($column)",
    "to_currency": "upper($column)",
    "email_key": "{{ email_key('$text') }}",
    "name_key": "md5(lower($column))",
    "segment": "{{ clean_label('$text') }}",
    "region": "{{ clean_label('$text') }}",
    "channel": "{{ clean_label('$text') }}",
    "source": "{{ clean_label('$text') }}",
    "is_deleted": "coalesce($column, false)",
    "discount_amount": "coalesce($column, 0)",
    "period_month": "{{ period_start('month', '$text') }}",
    "cost_month": "{{ period_start('month', '$text') }}",
}


def _mapped(
    entity: str,
    described: Described,
    assigned: Assigned,
    hints: dict[str, str],
    meaning: Synonyms,
    key: Sequence[str],
    currency: str,
) -> tuple[Mapped, ...]:
    result = []
    for name in meaning.columns:
        sql_type = _types(meaning)[name] if name not in entity_columns()[entity] else entity_columns()[entity][name]
        column = assigned.get(name)
        sql: str | None = _HOW.get(name, "$column") if column else meaning.otherwise.get(name)
        if column is None and name in ("currency_code", "to_currency"):
            sql = f"'{currency}'"
        if column and sql == "$column" and column.is_personal and name.endswith("_id"):
            sql = "md5(lower($column))"
        if column and sql == "$column":
            sql = _as_type(column, sql_type)
        if column is None and name == "customer_id":
            column = _mail(described)
            sql = "{{ email_key('$text') }}" if column else sql
        if column is None and name in ("is_won", "is_closed"):
            column, sql = _outcome(described, name)
        if [name] == meaning.keys[0] and (list(key) != [column.name] if column else name not in meaning.required):
            column, sql = None, "{{ surrogate_key([" + ", ".join(f"'{text(part)}'" for part in key) + "]) }}"
        result.append(
            Mapped(
                name,
                sql_type,
                column,
                sql,
                name in meaning.required,
                hints.get(name, f"no delivered column looks like {name}"),
            )
        )
    return tuple(result)


def quoted(column: str) -> str:
    """The column's name in SQL, in quotes only where they are needed."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", column) and not _RESERVED.fullmatch(column.lower())
    return column if plain else '"' + column.replace('"', '""') + '"'


def text(column: str) -> str:
    """The column's name in SQL, inside a string in a macro call."""
    return quoted(column).replace("\\", "\\\\").replace("'", "\\'")


# Words that need quotes as a column name in DuckDB or Spark.
_RESERVED = re.compile(
    r"all|and|any|as|asc|between|both|case|cast|check|collate|column|constraint|create|"
    r"cross|current_date|default|desc|distinct|else|end|except|exists|false|fetch|for|foreign|"
    r"from|full|grant|group|having|in|inner|intersect|into|is|join|lateral|leading|left|"
    r"like|limit|natural|not|null|offset|on|only|or|order|outer|primary|references|right|"
    r"select|some|table|then|to|trailing|true|union|unique|user|using|when|where|window|with"
)


def _as_type(column: Column, sql_type: str) -> str:
    if sql_type == "timestamp" and column.type == "date":
        return "{{ try_timestamp('cast($text as string)', var('time_zone')) }}"
    if sql_type == "date" and column.type == "timestamp":
        return "{{ business_date('$text') }}"
    return "$column"


def _mail(described: Described) -> Column | None:
    named = [column for column in described.columns if "mail" in words_of(column.name) and column.is_personal]
    return named[0] if named else None


def _outcome(described: Described, name: str) -> tuple[Column | None, str | None]:
    """Columns for won and closed deals, from a column whose values say won and lost."""
    for column in described.columns:
        values = " ".join(column.values).lower()
        if re.search(r"\b(won|lost)\b", values):
            won = "lower($column) like '%won%'"
            return column, won if name == "is_won" else f"({won} or lower($column) like '%lost%')"
    return None, None


# --- Which rows are versions of one -----------------------------------------------------------------------------------


def _newest_by(described: Described) -> str | None:
    known = synonyms()["orders"].columns["updated_at"]
    ranked = sorted(
        (known.index(words_of(column.name)), column.name)
        for column in described.columns
        if words_of(column.name) in known and column.reading("timestamp", "date")
    )
    return ranked[0][1] if ranked else None


_ID = re.compile(r"(^|_)(id|uuid|guid|number|no|nr|numer|nummer|key|code|sku)$")


def _key(described: Described, assigned: Assigned, meaning: Synonyms, newest_by: str | None) -> tuple[str, ...]:
    if described.primary_key:
        return described.primary_key
    for names in meaning.keys:
        columns = tuple(assigned[name].name for name in names if name in assigned)
        if len(columns) != len(names):
            continue
        if described.is_key(columns) or (newest_by and described.is_key((*columns, newest_by))):
            return columns
    # If a reference to another entity is unique in one file, that is a coincidence.
    own = {name for names in meaning.keys for name in names}
    references = {column.name for name, column in assigned.items() if name.endswith("_id") and name not in own}
    for column in described.columns:
        is_id = _ID.search(words_of(column.name)) and column.name not in references and not column.is_personal
        if is_id and described.is_key([column.name]):
            return (column.name,)
    return PLACE


# --- What a person should know ----------------------------------------------------------------------------------------


def _notes(
    entity: str,
    described: Described,
    columns: Sequence[Mapped],
    key: Sequence[str],
    assigned: Assigned,
    delivered: Sequence[str],
) -> tuple[str, ...]:
    notes = list(described.notes)
    if tuple(key) == PLACE:
        notes.append(
            "No column is a key: every delivered row counts, and a row delivered twice counts twice. "
            "If several columns together form a key, list them under `key`."
        )
    for name, column in assigned.items():
        if column.unreadable:
            cells = f"{column.unreadable} of {described.rows} cells are not of type {column.type}"
            notes.append(f"{column.name}: {cells}; their rows are quarantined.")
        if column.ambiguous:
            notes.append(f"{column.name}: can be read as {' or '.join(column.ambiguous)}; used as text for {name}.")
    if any(mapped.name == "currency_code" and not mapped.column for mapped in columns):
        currency = next(mapped.sql for mapped in columns if mapped.name == "currency_code")
        notes.append(
            f"No column contains the currency: amounts are assumed to be in {(currency or '').strip(chr(39))}."
        )
    if entity == "orders" and "total_amount" in assigned:
        total = assigned["total_amount"].name
        notes.append(f"total_amount must be what the customer paid, excluding tax: check that {total} is.")
    elif entity == "orders" and "order_items" not in delivered:
        notes.append(
            "No column contains the order's amount: map total_amount, or add the order lines with the same --name."
        )
    if entity == "order_items" and "orders" not in delivered and not any(m.name == "ordered_at" for m in columns):
        notes.append("The lines do not say who ordered, and when: add the orders, too, with the same --name.")
    if "status" in assigned and assigned["status"].values:
        statuses = ", ".join(sorted(value.lower() for value in assigned["status"].values)[:12])
        notes.append(f"Statuses are {statuses}; those that do not count are in kpi.yml, kpis.excluded_order_statuses.")
    return tuple(notes)
