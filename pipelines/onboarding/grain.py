"""What one row stands for: an order or a line of one, a day or a longer period; and whose a total is.

Names do not tell: an export of lines often repeats the order's number and its total on each of them.
"""

import re
from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from typing import NamedTuple

from pipelines.onboarding.cells import as_date
from pipelines.onboarding.columns import Column
from pipelines.onboarding.entities import synonyms
from pipelines.onboarding.kinds import is_money_back, is_sale, tells_kinds
from pipelines.onboarding.matching import assign
from pipelines.onboarding.names import words_of
from pipelines.onboarding.sniffing import Described


def kinds_with_money_back(described: Described) -> Column | None:
    """The column that says which rows are sales and which give money back, if there is one."""
    return next(
        (
            column
            for column in described.columns
            if tells_kinds(column.name) and any(map(is_sale, column.values)) and any(map(is_money_back, column.values))
        ),
        None,
    )


def only_sales(described: Described) -> Described:
    """The table without the rows of kinds that give money back, which may repeat the number of an order."""
    kinds = kinds_with_money_back(described)
    if kinds is None:
        return described
    cells = described.cells(kinds.name)
    kept = tuple(row for row, kind in zip(described.sample, cells, strict=True) if not is_money_back(kind or ""))
    left = replace(described, sample=kept, rows=len(kept))
    columns = []
    for column in described.columns:
        filled = [cell for cell in left.cells(column.name) if cell]
        columns.append(replace(column, is_unique=len(set(filled)) == len(filled) > 0))
    return replace(left, columns=tuple(columns))


def order_number(described: Described) -> Column | None:
    """The column that holds the number of the order, unique or not."""
    return assign(described.columns, synonyms()["orders"])[0].get("order_id")


def lines_of_orders(described: Described) -> bool:
    """True if several rows share an order's number, and each has a price or an amount of its own."""
    number = order_number(described)
    if number is None or number.is_unique or not number.is_complete:
        return False
    lines, _ = assign(described.columns, synonyms()["order_items"])
    if "unit_price" in lines and ("quantity" in lines or "product_id" in lines):
        return True
    total = assign(described.columns, synonyms()["orders"])[0].get("total_amount")
    return total is not None and not is_equal_within(described, number, total)


def has_only_prices(described: Described) -> bool:
    """True if rows have a quantity and the price of one unit, and no total of these: they are lines, if each of one
    order. A total that holds more, such as postage, is none, if the rows also have a product."""
    lines, _ = assign(described.columns, synonyms()["order_items"])
    total = assign(described.columns, synonyms()["orders"])[0].get("total_amount")
    if not {"order_id", "quantity", "unit_price"} <= set(lines):
        return False
    if total is None or total == lines["unit_price"]:
        return True
    return "product_id" in lines and not _is_product(described, total, lines["quantity"], lines["unit_price"])


def _is_product(described: Described, total: Column, quantity: Column, price: Column) -> bool:
    """True if the total of every row is quantity times price, or that in cents."""
    numbers = []
    for column in (total, quantity, price):
        reading = column.reading("decimal", "integer")
        numbers.append([reading.number(cell) if reading else None for cell in described.cells(column.name)])
    known = [(a, b * c) for a, b, c in zip(*numbers, strict=True) if a is not None and b is not None and c is not None]
    return bool(known) and all(found in (product, 100 * product) for found, product in known)


def is_equal_within(described: Described, number: Column, column: Column) -> bool:
    """True if all rows with the same `number` have the same value in `column`."""
    values: defaultdict[str | None, set[str | None]] = defaultdict(set)
    places = [[one.name for one in described.columns].index(name) for name in (number.name, column.name)]
    for row in described.sample:
        values[row[places[0]]].add(row[places[1]])
    return all(len(found) == 1 for found in values.values())


class Period(NamedTuple):
    """Two dates of a row that make a period: the name of the column with the last day, how many rows are longer than a
    day, and whether all of these are calendar months."""

    end: str
    longer: int
    is_months: bool


_ENDS = re.compile(r"(^|_)(ends?|stop|until|to|bis|do|fim|fin)(_|$)")


def period_of(described: Described, start: Column) -> Period | None:
    """The period that begins with the date in `start`; None if every row is of one day."""
    for end in described.columns:
        if not _ENDS.search(words_of(end.name)) or not end.reading("date", "timestamp"):
            continue
        pairs = zip(described.cells(start.name), described.cells(end.name), strict=True)
        days = [(as_date(one, start.readings), as_date(other, end.readings)) for one, other in pairs]
        longer = [(first, last) for first, last in days if first and last and last > first]
        if longer:
            return Period(end.name, len(longer), all(_is_month(first, last) for first, last in longer))
    return None


def _is_month(first: date, last: date) -> bool:
    after = last + timedelta(days=1)
    return first.day == after.day == 1 and (after.year - first.year) * 12 + after.month - first.month == 1
