"""What a delivered table is drafted as: an entity, and where each of its columns comes from.

Does not belong here: how that is found out (`mapping.py`), said (`notes.py`) and written (`writing.py`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipelines.onboarding.columns import Column
from pipelines.onboarding.deletions import Tombstone
from pipelines.onboarding.entities import NO_ENTITY

PLACE = ("_source_file", "_row_number")  # the key of rows that have no key: their position


@dataclass(frozen=True)
class Mapped:
    """Where one entity column comes from.

    column: the delivered column, or None.
    others: more delivered columns in the expression.
    sql: the expression, in which $column stands for the column; the whole expression if there is no column; or None.
    hint: why no column was found, for the person who completes the mapping.
    """

    name: str
    sql_type: str  # the type of the entity column, such as decimal(18, 6)
    column: Column | None = None
    sql: str | None = None
    is_required: bool = False
    hint: str = ""
    others: tuple[Column, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """A delivered table as one of this project's entities.

    entity: `none` for a reference table that is no entity; it gets a base model and no staging model.
    key: delivered columns, or `_source_file` and `_row_number` if the rows have no key.
    newest_by: the column that has the greater value in the newer version, if there is one.
    date_column: the delivered column that holds the date of the event, if there is one.
    where: the condition on rows of the staging model; empty if all rows count.
    summed: the entity columns that are summed up, because the rows are finer than the entity's; else none.
    tombstone: how the table says that a row was deleted, if no column is mapped to `is_deleted`.
    rhythm: `monthly` if the rows are costs of whole months.
    may_be_cents: columns with whole amounts that nothing but their size tells from cents.
    only_raw: columns that would make rows of one key differ; they do not leave raw.
    not_personal: columns called name that hold no names of people, because rows are products, campaigns or stores.
    also: what else the table is: the refunds among order lines, the history of reps.
    """

    entity: str
    columns: tuple[Mapped, ...]
    key: tuple[str, ...]
    newest_by: str | None
    date_column: str | None
    unused: tuple[Column, ...]
    notes: tuple[str, ...]
    where: str = ""
    summed: tuple[str, ...] = ()
    tombstone: Tombstone | None = None
    rhythm: str | None = None
    may_be_cents: tuple[str, ...] = ()
    only_raw: tuple[str, ...] = ()
    not_personal: tuple[str, ...] = ()
    also: tuple["Proposal", ...] = ()

    @property
    def missing(self) -> tuple[Mapped, ...]:
        """The entity columns that must be mapped before the model can be built."""
        return tuple(mapped for mapped in self.columns if mapped.is_required and not mapped.column and not mapped.sql)

    @property
    def entities(self) -> list[str]:
        """All entities that the table is drafted as."""
        return [one.entity for one in (self, *self.also) if one.entity != NO_ENTITY]

    def source_of(self, name: str) -> Column | None:
        """The delivered column that the entity column `name` is made from."""
        return source_of(self.columns, name)


def source_of(columns: Sequence[Mapped], name: str) -> Column | None:
    """The delivered column that the entity column `name` is made from."""
    return next((mapped.column for mapped in columns if mapped.name == name), None)


def quoted(column: str) -> str:
    """The column's name in SQL, in quotes only where they are needed."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", column) and not _RESERVED.fullmatch(column.lower())
    return column if plain else '"' + column.replace('"', '""') + '"'


def text(column: str) -> str:
    """The column's name in SQL, inside a string in a macro call."""
    return quoted(column).replace("\\", "\\\\").replace("'", "\\'")


def expression(mapped: Mapped) -> str:
    """The SQL of the entity column, with the name of its delivered column."""
    sql = mapped.sql or "null"
    if mapped.column is None:
        return sql
    return sql.replace("$column", quoted(mapped.column.name)).replace("$text", text(mapped.column.name))


def as_type(column: Column, sql_type: str) -> str:
    """$column as a timestamp or a date, which the other of these may hold; any other type as it is."""
    if sql_type == "timestamp" and column.type == "date":
        return "{{ try_timestamp('cast($text as string)', var('time_zone')) }}"
    if sql_type == "date" and column.type == "timestamp":
        return "{{ business_date('$text') }}"
    return "$column"


def surrogate(key: Sequence[str]) -> str:
    """A key made of these delivered columns."""
    return "{{ surrogate_key([" + ", ".join(f"'{text(part)}'" for part in key) + "]) }}"


def changed(columns: Sequence[Mapped], name: str, **changes: Any) -> tuple[Mapped, ...]:
    """The columns, with `changes` to the one called `name`."""
    return tuple(replace(mapped, **changes) if mapped.name == name else mapped for mapped in columns)


# Words that need quotes as a column name in DuckDB or Spark.
_RESERVED = re.compile(
    r"all|and|any|as|asc|between|both|case|cast|check|collate|column|constraint|create|"
    r"cross|current_date|default|desc|distinct|else|end|except|exists|false|fetch|for|foreign|"
    r"from|full|grant|group|having|in|inner|intersect|into|is|join|lateral|leading|left|"
    r"like|limit|natural|not|null|offset|on|only|or|order|outer|primary|references|right|"
    r"select|some|table|then|to|trailing|true|union|unique|user|using|when|where|window|with"
)
