"""From described columns to an entity: which entity of this project a table is, and where each column goes.

Belongs here: the expression for each column, the key, and what a person should check. Does not belong here: reading
files (`sniffing.py`), recognising entities and columns (`recognising.py`, `matching.py`), and writing the mapping as
SQL (`writing.py`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.onboarding.columns import Column
from pipelines.onboarding.entities import Synonyms, entity_columns, synonyms
from pipelines.onboarding.matching import Assigned, assign, types_of, with_order_columns
from pipelines.onboarding.names import words_of
from pipelines.onboarding.recognising import best_entity, newest_by
from pipelines.onboarding.sniffing import Described, UnrecognisedError

PLACE = ("_source_file", "_row_number")  # the key of rows that have no key: their position


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


def propose(
    described: Described,
    name: str,
    currency: str,
    entity: str | None = None,
    delivered: Sequence[str] = (),
    known: Mapping[str, str] | None = None,
) -> Proposal:
    """The entity that fits best, and the mapping of its columns.

    `name` consists of the names of the file and the table, whose words also count. `currency` is the currency of
    amounts that are delivered without one. `entity` overrides the choice. `delivered` lists the entities that the
    source already has. `known` holds the columns that other tables decide, as {entity column: delivered column}.

    Raises:
        UnrecognisedError: no entity fits, or `entity` is not an entity.
    """
    if entity is not None and entity not in synonyms():
        raise UnrecognisedError(
            f"--entity: {entity!r} is not an entity. The entities are: {', '.join(sorted(synonyms()))}."
        )
    entity = entity or best_entity(described, name)
    meaning = with_order_columns(entity, described.columns, delivered)
    assigned, hints = assign(described.columns, meaning, known)
    newest = newest_by(described)
    key = _key(described, assigned, meaning, newest)
    columns = _mapped(entity, described, assigned, hints, meaning, key, currency)
    dates = [column.column.name for column in columns if column.column and column.sql_type in ("timestamp", "date")]
    used = {*key, newest, *(mapped.column.name for mapped in columns if mapped.column)}
    return Proposal(
        entity=entity,
        columns=columns,
        key=key,
        newest_by=newest,
        date_column=next((date for date in dates if date != newest), None),
        unused=tuple(column for column in described.columns if column.name not in used),
        notes=_notes(entity, described, columns, key, assigned, delivered),
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
        sql_type = types_of(meaning)[name] if name not in entity_columns()[entity] else entity_columns()[entity][name]
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


_ID = re.compile(r"(^|_)(id|uuid|guid|number|no|nr|numer|nummer|key|code|sku)$")


def _key(described: Described, assigned: Assigned, meaning: Synonyms, newest: str | None) -> tuple[str, ...]:
    if described.primary_key:
        return described.primary_key
    for names in meaning.keys:
        columns = tuple(assigned[name].name for name in names if name in assigned)
        if len(columns) != len(names):
            continue
        if described.is_key(columns) or (newest and described.is_key((*columns, newest))):
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
