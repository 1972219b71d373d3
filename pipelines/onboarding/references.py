"""Which columns of tables that are added together hold the keys of other tables.

Belongs here: comparing the values of columns. Does not belong here: what follows from a reference
(`choosing.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipelines.formatting import counted
from pipelines.onboarding.columns import Column
from pipelines.onboarding.names import words_of
from pipelines.onboarding.sniffing import Described

_MOSTLY = 0.6  # of the distinct values of a reference, in the other table: exports have dirt, too
_OF_ANY_NAME = 0.95  # if neither name says that it is one
_FEWEST = 3  # distinct values, since two values are in many columns by chance


@dataclass(frozen=True)
class Reference:
    """The values of a column are keys of another table, all but those that `unknown` lists."""

    table: str
    column: str
    to_table: str
    to_column: str
    unknown: tuple[str, ...] = ()

    def note(self, tables: Mapping[str, Described]) -> str:
        """What a person should know of the values that the other table lacks; empty if it lacks none."""
        if not self.unknown:
            return ""
        described = tables[self.table]
        column = described.column(self.column)
        place = described.columns.index(column)
        rows = sum((row[place] or "").strip() in self.unknown for row in described.sample)
        values = (
            "" if column.is_personal else f": {', '.join(self.unknown[:5])}{', …' if len(self.unknown) > 5 else ''}"
        )
        return (
            f"{self.column} of {counted(rows, 'row')} of {self.table} is not in {self.to_table}{values}. "
            f"The rows count, without what {self.to_table} would say about them."
        )


def references(tables: Mapping[str, Described]) -> list[Reference]:
    """Every column whose values are, nearly all, values of a column of another table that identifies its rows."""
    found = []
    values = {
        (table, column.name): _values(described, column)
        for table, described in tables.items()
        for column in described.columns
        if column.type in ("text", "integer")
    }
    keys = {
        place: held
        for place, held in values.items()
        if len(held) >= _FEWEST and tables[place[0]].column(place[1]).is_unique and tables[place[0]].is_key([place[1]])
    }
    for (table, column), held in values.items():
        is_text = tables[table].column(column).type == "text"
        rivals = []
        for (to_table, to_column), known in keys.items():
            is_named = _is_named_after(column, to_table, to_column)
            if to_table == table or len(held) < _FEWEST or not (is_named or (is_text and (table, column) not in keys)):
                continue
            share = len(held & known) / len(held)
            if share >= (_MOSTLY if is_named else _OF_ANY_NAME):
                unknown = tuple(sorted(held - known))
                rivals.append((is_named, share, Reference(table, column, to_table, to_column, unknown)))
        if rivals:
            found.append(max(rivals, key=lambda rival: rival[:2])[2])
    opposite = {(one.to_table, one.to_column, one.table, one.column) for one in found}
    return [
        one
        for one in found
        if (one.table, one.column, one.to_table, one.to_column) not in opposite
        or _position(tables, one.to_table, one.to_column) < _position(tables, one.table, one.column)
    ]


def agreed_on_persons(tables: Mapping[str, Described], linked: Sequence[Reference]) -> dict[str, Described]:
    """The tables, in which a column that refers to personal values, or whose values are referred to as personal, is
    personal, too: hidden in the same way on both sides, they still find each other."""
    personal = {
        place
        for one in linked
        for place in ((one.table, one.column), (one.to_table, one.to_column))
        if tables[one.table].column(one.column).is_personal or tables[one.to_table].column(one.to_column).is_personal
    }
    return {
        table: replace(
            described,
            columns=tuple(
                replace(column, is_personal=True, example="***", values=frozenset())
                if (table, column.name) in personal
                else column
                for column in described.columns
            ),
        )
        for table, described in tables.items()
    }


def _position(tables: Mapping[str, Described], table: str, column: str) -> int:
    """The place of the column in its table. Of two that hold each other's values, the earlier one is the key."""
    return [other.name for other in tables[table].columns].index(column)


def _values(described: Described, column: Column) -> frozenset[str]:
    place = described.columns.index(column)
    return frozenset(cell.strip() for row in described.sample if (cell := row[place]) and cell.strip())


def _is_named_after(column: str, to_table: str, to_column: str) -> bool:
    """True for account or account_id, which refer to the column account or id of the table accounts."""
    words, to_words = words_of(column), words_of(to_column)
    of_table = {to_table, to_table.removesuffix("s"), to_table.removesuffix("es")}
    if words.removesuffix("_id") in of_table or any(words.endswith(f"_{name}_id") for name in of_table):
        return True
    return words == to_words and words not in ("id", "name", "number", "no", "code", "key")
