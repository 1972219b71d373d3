"""Why published values of the past have changed, as `meta.restatement_causes` says.

Belongs here: reading causes, putting the largest first, and their words. Does not belong here: finding them
(`publish/restatements.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from pipelines.formatting import counted, number_text

_IN_WORDS = {
    "late": "late rows of {table}",
    "corrected": "corrected rows of {table}",
    "deleted": "deleted rows of {table}",
    "refund": "refunds in {table}",
    "exchange rate": "exchange rates in {table}",
    "related rows": "changes in {table}",
}
_WITHOUT_TABLE = {
    "exchange rate": "exchange rates",
    "definition": "another definition",
    "related rows": "changes in related rows",
}

# Columns of `meta.restatement_causes`, in the order of `Cause`.
COLUMNS_OF_CAUSES = "part, cause, source, table_name, delivered_on, changed_rows, amount"


@dataclass(frozen=True)
class Cause:
    """What changed a part of a value: rows of one delivery, or rows that now count otherwise."""

    part: str | None
    cause: str
    source: str | None
    table: str | None
    delivered_on: date | None
    rows: int | None
    amount: Decimal | None

    @property
    def what(self) -> str:
        """`late rows of shop.orders`."""
        if self.table:
            return _IN_WORDS.get(self.cause, self.cause).format(table=f"{self.source}.{self.table}")
        return _WITHOUT_TABLE.get(self.cause, self.cause)

    @property
    def in_full(self) -> str:
        """`late: 1 row of shop.orders, delivered on 2026-01-10, orders +1`."""
        of_rows = "" if self.rows is None else f": {counted(self.rows, 'row')}"
        of_table = f" of {self.source}.{self.table}, delivered on {self.delivered_on}" if self.table else ""
        sign = "+" if self.amount and self.amount > 0 else ""
        amount = "" if self.amount is None else f", {self.part} {sign}{number_text(self.amount)}"
        return f"{self.cause}{of_rows}{of_table}{amount}"


def causes_of(rows: Iterable[Sequence[Any]]) -> tuple[Cause, ...]:
    """Rows of the `COLUMNS_OF_CAUSES` of one value, the largest causes first.

    Those of the same part, cause and delivery are summed up, so the causes of several restatements of a value are those
    of all of them together. Parts may be in different units, so a cause is as large as the share that it has of the
    changes of its parts; of a part that is no sum, of its rows.
    """
    summed: dict[tuple[Any, ...], tuple[int | None, Decimal | None]] = {}
    for *key, count, amount in rows:
        before = summed.get(tuple(key), (None, None))
        summed[tuple(key)] = (_sum(before[0], count), _sum(before[1], amount))
    found = [Cause(*(*key, *values)) for key, values in summed.items()]
    totals: dict[str | None, Decimal] = {}
    for cause in found:
        totals[cause.part] = totals.get(cause.part, Decimal(0)) + _weight(cause)
    sizes: dict[tuple[object, ...], Decimal] = {}
    for cause in found:
        sizes[_what(cause)] = sizes.get(_what(cause), Decimal(0)) + _weight(cause) / (totals[cause.part] or 1)
    return tuple(sorted(found, key=lambda one: (-sizes[_what(one)], *map(str, _what(one)), one.part or "")))


def kinds_of(causes: Iterable[Cause]) -> tuple[str, ...]:
    """`('late', 'exchange rate')`: the kinds of causes, as ordered."""
    return tuple(dict.fromkeys(cause.cause for cause in causes))


def main_cause(causes: Sequence[Cause]) -> str:
    """`late rows of shop.orders and 2 more causes`; empty if no cause is known."""
    named = list(dict.fromkeys(cause.what for cause in causes))
    if len(named) < 2:
        return "".join(named)
    return f"{named[0]} and {counted(len(named) - 1, 'more cause')}"


def _what(cause: Cause) -> tuple[object, ...]:
    return cause.cause, cause.source, cause.table, cause.delivered_on


def _weight(cause: Cause) -> Decimal:
    return Decimal(cause.rows or 0) if cause.amount is None else abs(cause.amount)


def _sum(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else one + other
