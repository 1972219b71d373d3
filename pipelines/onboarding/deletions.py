"""Which rows a table says were deleted: by a flag, by a word for yes, or by the date on which it happened.

Does not belong here: statuses of orders, of which `kpi.yml` says which do not count.
"""

import re
from typing import NamedTuple

from pipelines.onboarding.columns import Column
from pipelines.onboarding.names import plain_letters, words_of
from pipelines.onboarding.sniffing import Described
from pipelines.sql import quote_text


class Tombstone(NamedTuple):
    """The column that says so. It is a flag, unless it holds words or moments.

    yes: the words for yes, in lower case.
    is_moment: whether the cell is the date of the deletion, and empty for rows that count.
    """

    column: Column
    yes: tuple[str, ...] = ()
    is_moment: bool = False

    @property
    def is_flag(self) -> bool:
        """True if the column can be read as true and false."""
        return not self.yes and not self.is_moment

    @property
    def condition(self) -> str:
        """The condition for a deleted row, in which $column stands for the column."""
        if self.is_moment:
            return "$column is not null"
        return f"lower($column) in ({', '.join(map(quote_text, self.yes))})" if self.yes else "$column"

    def holds_for(self, cell: str | None) -> bool:
        """True if a row with this cell was deleted."""
        if self.is_moment:
            return bool(cell)
        return (cell or "").lower() in (self.yes or ("true", "t", "yes", "y", "1"))


_FLAG = re.compile(
    r"(^|_)(deleted|is_removed|usuniety|geloescht|geloscht|excluido|void|voided|is_cancelled|is_canceled|cancelled|canceled|storniert"
    r"|anulowan[aeoy]|annull?at[ao]|annulee?|anulad[ao]|cancelad[ao]|makulerad|geannuleerd)$"
)
_MOMENT = re.compile(r"(^|_)(deleted|removed|voided)_(at|on|date|time|datetime|timestamp|ts)$")
_MOMENT_OF_AN_ORDER = re.compile(r"(^|_)(cancelled|canceled)_(at|on|date|time|datetime|timestamp|ts)$")
# Words for no, with the words for yes of the same languages.
_YES = {
    **{"nej": ("ja",), "nein": ("ja",), "nee": ("ja",), "nie": ("tak",), "non": ("oui", "si"), "nao": ("sim",)},
    **{"no": ("yes", "si", "sì", "sí"), "hayir": ("evet",)},
}
_MOST_WORDS_OF_A_FLAG = 5


def tombstone(described: Described, entity: str) -> Tombstone | None:
    """How the table says that a row was deleted; None if it does not."""
    flags = _flags(described)
    for column in flags:
        if column.reading("boolean"):
            return Tombstone(column)
    for column in flags:
        if yes := _words_for_yes(column):
            return Tombstone(column, yes=yes)
    for column in described.columns:
        words = words_of(column.name)
        is_moment = _MOMENT.search(words) or (entity in ("orders", "order_items") and _MOMENT_OF_AN_ORDER.search(words))
        if is_moment and not column.is_complete and (column.reading("timestamp", "date") or not column.example):
            return Tombstone(column, is_moment=True)
    return None


def other_flags(described: Described) -> list[str]:
    """What to check of columns that are called as flags of deleted rows are, and hold other words than yes and no."""
    return [
        f"{column.name} holds {', '.join(sorted(column.values)[:5])}: if it marks rows that do not count, leave these "
        "out in the staging model."
        for column in _flags(described)
        if not column.reading("boolean") and not _words_for_yes(column) and len(column.values) < _MOST_WORDS_OF_A_FLAG
    ]


def _flags(described: Described) -> list[Column]:
    return [column for column in described.columns if _FLAG.search(words_of(column.name)) and column.values]


def _words_for_yes(column: Column) -> tuple[str, ...]:
    """The words for yes in the language of the column; empty if it holds anything but yes and no."""
    values = {value.lower() for value in column.values}
    no = {value for value in values if plain_letters(value) in _YES}
    yes = sorted({word for value in no for word in _YES[plain_letters(value)]})
    return tuple(yes) if no and values - no <= {*yes} else ()
