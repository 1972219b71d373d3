"""What the amounts of a column are: cents, amounts without tax, totals of lines, discounts, and which way rates go.

Belongs here: evidence from a column's header and cells. Does not belong here: how numbers are written (`cells.py`).
"""

import math
import re
from collections.abc import Iterable
from decimal import Decimal
from itertools import combinations
from statistics import median

from pipelines.onboarding.columns import Column
from pipelines.onboarding.names import words_of
from pipelines.onboarding.questions import OpenQuestionError, Question
from pipelines.onboarding.sniffing import Described

AMOUNTS = ("cents", "whole")  # what amounts without decimals are
_ENOUGH_ROWS = 3  # rows that must agree, since one or two can agree by chance


_CENTS = re.compile(r"(^|_)(cents?|minor|minor_units?|pence|pennies|grosze|centavos|centimes|centimos)(_|$)")


def evidence_of_micros(column: Column) -> str:
    """Why the amounts of `column` are millionths, as in the API of Google Ads; empty if nothing says so."""
    return f"{column.name} says so" if re.search(r"(^|_)micros?$", words_of(column.name)) else ""


def evidence_of_cents(described: Described, column: Column, factors: Iterable[Column]) -> str:
    """Why the amounts of `column` are hundredths; empty if nothing says so. `factors`: quantity and price of a row."""
    if _CENTS.search(words_of(column.name)):
        return f"{column.name} says so"
    reading = column.reading("integer")
    if reading is None:
        return ""
    amounts = [reading.number(cell) for cell in described.cells(column.name)]
    for other in described.columns:
        decimal = other.reading("decimal")
        if other is column or decimal is None or other.reading("integer"):
            continue
        if _is_hundred_times(amounts, [decimal.number(cell) for cell in described.cells(other.name)]):
            return f"they are 100 times {other.name}"
    products: list[Decimal | None] = [Decimal(1)] * described.rows
    names = []
    for factor in factors:
        numeric = factor.reading("decimal", "integer")
        if numeric and factor is not column:
            names.append(factor.name)
            cells = [numeric.number(cell) for cell in described.cells(factor.name)]
            products = [
                a * b if a is not None and b is not None else None for a, b in zip(products, cells, strict=True)
            ]
    if len(names) == 2 and _is_hundred_times(amounts, products):
        return f"they are 100 times {' times '.join(names)}"
    return ""


def _is_hundred_times(amounts: list[Decimal | None], others: list[Decimal | None]) -> bool:
    pairs = [(a, b) for a, b in zip(amounts, others, strict=True) if a and b]
    return len(pairs) >= _ENOUGH_ROWS and sum(a == 100 * b for a, b in pairs) >= 0.95 * len(pairs)


# Currencies whose amounts are whole.
_WITHOUT_CENTS = {"CLP", "HUF", "IDR", "ISK", "JPY", "KRW", "PYG", "TWD", "VND", "XAF", "XOF"}


def may_be_cents(described: Described, column: Column, currencies: Iterable[str]) -> bool:
    """True if all amounts are whole and as large as cents are. Prices seldom are, whereas APIs often deliver cents:
    nothing but their size tells 8200 from 82.00."""
    reading = column.reading("integer")
    if reading is None or column.type != "integer" or {*currencies} <= _WITHOUT_CENTS:
        return False
    numbers = [number for cell in described.cells(column.name) if (number := reading.number(cell))]
    return len(numbers) >= _ENOUGH_ROWS and min(map(abs, numbers)) >= 100 and any(number % 100 for number in numbers)


_TAX = re.compile(
    r"(^|_)(tax|taxes|vat|gst|hst|pst|sales_tax|mwst|ust|umsatzsteuer|steuer|btw|moms|iva|tva|kdv|podatek|imposto|impuesto)(_|$)"
)
_WITH_OR_WITHOUT = re.compile(
    r"(^|_)(inc|incl|including|included|ex|exc|excl|excluding|excluded|before|after|without|with|inkl|exkl|ohne|zzgl|mit|bez|z|hors|sans|sin"
    r"|con|sem|com|senza)(_|$)"
)
_ENOUGH_TO_ADD_UP = 1_000  # rows of which net, tax and gross are compared


def net_of(described: Described, gross: Column) -> tuple[Column, Column] | None:
    """The columns with the amount without tax and with the tax, if `gross` is their sum; a tip or the like may be a
    third part of it. None if the file has no such columns."""
    money = {
        one: _numbers(described, one)[:_ENOUGH_TO_ADD_UP]
        for one in described.columns
        if one == gross or _has_cents(one)
    }
    totals = money.pop(gross)
    taxes = [one for one, cells in money.items() if _is_tax(one) and any(cells)]
    parts = {one: cells for one, cells in money.items() if not _is_tax(one) and any(cells)}
    for tax in taxes:
        before = _difference(totals, money[tax])
        fitting = [
            net
            for net, cells in parts.items()
            if _are_equal(before, cells)
            or any(_are_equal(_difference(before, cells), other) for one, other in parts.items() if one != net)
        ]
        if fitting:  # of a meal and the tip, the greater one
            return max(fitting, key=lambda net: sum(number or 0 for number in parts[net])), tax
    return None


def _is_tax(column: Column) -> bool:
    """True if the column is called a tax, and not an amount with or without it, as Total (ex tax) is."""
    words = words_of(column.name)
    return bool(_TAX.search(words)) and not _WITH_OR_WITHOUT.search(words)


_DISCOUNT = re.compile(r"(^|_)(discounts?|coupon|rabatt?|remise|descuento|desconto|sconto|korting|voucher)(_|$)")
_NOTHING, _A_CENT = Decimal(0), Decimal("0.01")
_MOST_PARTS = 3  # of a total, apart from the tax


def tax_within(described: Described, total: Column) -> Column | None:
    """The tax that `total` includes, where no column holds the amount without it. Either the other amounts add up to
    the total only with the tax, or the tax is a usual share of what remains, such as 19 %, and none of the total."""
    words = words_of(total.name)
    if _NET.search(words) or "subtotal" in words:
        return None
    money = {one: _numbers(described, one)[:_ENOUGH_TO_ADD_UP] for one in described.columns if _has_cents(one)}
    totals = money.pop(total, _numbers(described, total)[:_ENOUGH_TO_ADD_UP])
    taxes = [one for one, cells in money.items() if _is_tax(one) and any(cells)]
    named = [(words_of(one.name), cells) for one, cells in money.items() if one not in taxes and any(cells)]
    less = [cells for words, cells in named if _DISCOUNT.search(words)]
    parts = [cells for words, cells in named if not _DISCOUNT.search(words) and not _FEE.search(words)]
    for tax in taxes:
        rest = _difference(totals, money[tax])
        if _add_up(parts, less, rest) and not _add_up(parts, less, totals):
            return tax
        if _is_usual_share(money[tax], rest) and not _is_usual_share(money[tax], totals):
            return tax
    return None


def _add_up(parts: list[list[Decimal | None]], less: list[list[Decimal | None]], sums: list[Decimal | None]) -> bool:
    """True if some of the parts, less some of the discounts, are the sum of every row that has one."""
    rows = [row for row, known in enumerate(sums) if known is not None]
    if len(rows) < _ENOUGH_ROWS:
        return False
    for count in range(2, _MOST_PARTS + 1):
        for chosen in combinations([*((cells, 1) for cells in parts), *((cells, -1) for cells in less)], count):
            if all(
                abs(sum(((cells[row] or _NOTHING) * sign for cells, sign in chosen), -(sums[row] or _NOTHING)))
                < _A_CENT
                for row in rows
            ):
                return True
    return False


def _is_usual_share(taxes: list[Decimal | None], bases: list[Decimal | None]) -> bool:
    """True if each tax is a rate with at most one decimal of its base, such as 19 % or 5.5 %, up to a cent."""
    pairs = [(tax, base) for tax, base in zip(taxes, bases, strict=True) if tax and base]
    return len(pairs) >= _ENOUGH_ROWS and all(
        abs(tax - round(tax / base, 3) * base) <= Decimal("0.01") for tax, base in pairs
    )


_FEE = re.compile(
    r"(^|_)(fee|fees|commission|gebuhr|gebuhren|gebuehr|gebuehren|provision|prowizja|oplata|frais|comision|comissao|tarifa"
    r"|commissione|commissioni|kosten|transactiekosten|avgift|komisyon)(_|$)"
)


def before_fee(described: Described, total: Column) -> tuple[Column, Column] | None:
    """The columns with what was paid and with the fee, if `total` is what is left of it. None if there are none."""
    left = _numbers(described, total)
    money = {one: _numbers(described, one) for one in described.columns if one != total and _has_cents(one)}
    for fee, fees in money.items():
        if not _FEE.search(words_of(fee.name)) or not any(fees):
            continue
        is_positive = sum(number or 0 for number in fees) > 0
        for paid, amounts in money.items():
            less = _difference(amounts, fees) if is_positive else _difference(left, fees)
            if paid != fee and _are_equal(less, left if is_positive else amounts):
                return paid, fee
    return None


def _has_cents(column: Column) -> bool:
    reading = column.reading("decimal")
    return reading is not None and reading.decimal is not None


def _difference(amounts: list[Decimal | None], others: list[Decimal | None]) -> list[Decimal | None]:
    return [a - b if a is not None and b is not None else None for a, b in zip(amounts, others, strict=True)]


_NET = re.compile(
    r"(^|_)(net|netto|neto|netta|liquido|ht|excl|imponibile|ohne_mwst|sin_iva"
    r"|(ex|exc|exkl|excluding|before|without|ohne|hors|sans|sin|senza|sem|bez)_(tax|taxes|vat|gst|mwst|ust|tva|iva|btw|moms)"
    r"|tax_(excl|excluded)|untaxed)(_|$)"
)
_LEAST_NET = Decimal("0.7")  # of a gross amount: no tax on sales is higher


def net_by_name(described: Described, total: Column) -> Column | None:
    """The column that is called net and is a little less than `total`, which is not; None if there is none."""
    if _NET.search(words_of(total.name)):
        return None
    totals = _numbers(described, total)
    stem = words_of(total.name).partition("_")[0]  # of Order Total (inc tax), Order Total (ex tax)
    for column in sorted(described.columns, key=lambda one: not words_of(one.name).startswith(stem)):
        if column is total or not _NET.search(words_of(column.name)):
            continue
        pairs = zip(_numbers(described, column), totals, strict=True)
        known = [(abs(net), abs(gross)) for net, gross in pairs if net is not None and gross is not None]
        if len(known) == described.rows and all(_LEAST_NET * gross <= net <= gross for net, gross in known):
            return column
    return None


# --- Prices and discounts ---------------------------------------------------------------------------------------------


def is_total_of_line(described: Described, price: Column, quantity: Column, product: Column | None) -> bool:
    """True if a price is that of all units together: of each product, it grows with the quantity."""
    if product is None:
        return False
    prices: dict[str | None, set[tuple[Decimal, Decimal]]] = {}
    rows = zip(described.cells(product.name), _numbers(described, quantity), _numbers(described, price), strict=True)
    for name, units, amount in rows:
        if units and amount:
            prices.setdefault(name, set()).add((units, amount))
    varying = [found for found in prices.values() if len({units for units, _ in found}) > 1]
    return bool(varying) and all(
        len({round(amount / units, 2) for units, amount in found}) == 1 < len({amount for _, amount in found})
        for found in varying
    )


_PERCENT = re.compile(r"(^|_)(percent|percentage|pct|prozent|procent|porcentaje|pourcentage)(_|$)")


def kind_of_discount(described: Described, quantity: Column | None, price: Column, discount: Column) -> tuple[str, str]:
    """What a discount is, and why: a share of the price, a percentage, the discount of one unit, or an amount of the
    line. Another column may hold what remains to pay, which tells; otherwise its name and its size do."""
    units = _numbers(described, quantity) if quantity else [Decimal(1)] * described.rows
    rows = list(zip(units, _numbers(described, price), _numbers(described, discount), strict=True))
    kinds = {
        "an amount of the line": [_less(q, p, d) for q, p, d in rows],
        "a share of the price": [_less(q, p, d and q and p and d * q * p) for q, p, d in rows],
        "a percentage": [_less(q, p, d and q and p and d * q * p / 100) for q, p, d in rows],
        "the discount of one unit": [_less(q, p, d and q and d * q) for q, p, d in rows],
    }
    numbers = [number for _, _, number in rows if number]
    is_percentage = "%" in discount.name or _PERCENT.search(words_of(discount.name))
    if not numbers and not is_percentage:
        return "an amount of the line", "no line has one"
    for other in described.columns:
        totals = _numbers(described, other)
        if other in (quantity, price, discount) or not any(totals):
            continue
        fitting = [kind for kind, paid in kinds.items() if _are_equal(paid, totals)]
        if len(fitting) > 1 and "amount" in words_of(discount.name):  # 5 off 100 is also 5 %
            fitting = [kind for kind in fitting if kind != "a percentage"]
        if fitting:
            return fitting[0], f"{other.name} is what then remains"
    if numbers and all(0 < number <= 1 for number in numbers) and any(number < 1 for number in numbers):
        return "a share of the price", "no value is above 1"
    if is_percentage:
        return "a percentage", "its name says so"
    return "an amount of the line", "nothing else says what it is"


def _less(units: Decimal | None, price: Decimal | None, discount: Decimal | None) -> Decimal | None:
    return units * price - (discount or 0) if units is not None and price is not None else None


def _are_equal(amounts: list[Decimal | None], others: list[Decimal | None]) -> bool:
    pairs = [(a, b) for a, b in zip(amounts, others, strict=True) if a is not None and b is not None]
    return len(pairs) >= 2 and all(abs(a - b) < Decimal("0.01") for a, b in pairs)


def _numbers(described: Described, column: Column) -> list[Decimal | None]:
    reading = column.reading("decimal", "integer")
    return [reading.number(cell) if reading else None for cell in described.cells(column.name)]


# --- Exchange rates ---------------------------------------------------------------------------------------------------

# What one unit was worth in EUR around 2020, which tells a rate from its reciprocal, and nothing more.
_WORTH = {
    "EUR": 1, "USD": 0.9, "GBP": 1.15, "CHF": 0.98, "PLN": 0.225, "CZK": 0.039, "HUF": 0.0027, "RON": 0.203,
    "BGN": 0.511,
    "SEK": 0.093, "NOK": 0.094, "DKK": 0.134, "JPY": 0.0073, "CNY": 0.129, "INR": 0.0117, "KRW": 0.00074, "AUD": 0.62,
    "CAD": 0.68, "NZD": 0.58, "MXN": 0.046, "BRL": 0.18, "ZAR": 0.054, "TRY": 0.08, "ILS": 0.26,
    "SGD": 0.66, "HKD": 0.116,
    "THB": 0.028, "IDR": 0.000062, "MYR": 0.21, "PHP": 0.018, "UAH": 0.03, "ISK": 0.0068,
}  # fmt: skip
DIRECTIONS = ("direct", "inverse")


def direction_of_rates(
    described: Described, source: Column, target: Column | None, rate: Column, reporting_currency: str, told: str | None
) -> str:
    """`direct` if a rate is what one unit of the currency in `source` costs, `inverse` if it is what one unit of the
    other currency buys.

    Raises:
        OpenQuestionError: neither the columns' names nor the size of the rates tell.
    """
    if told:
        return told
    if target is not None:
        # The denominator of SDMX, the format of central banks, is the currency of which one unit is priced.
        return "inverse" if re.search(r"(^|_)denom", words_of(target.name)) else "direct"
    reading = rate.reading("decimal", "integer")
    cells = zip(described.cells(source.name), described.cells(rate.name), strict=True)
    rates = [
        (code.upper(), float(number)) for code, cell in cells if code and reading and (number := reading.number(cell))
    ]
    worth = _WORTH.get(reporting_currency)
    expected = [
        (math.log(found), math.log(_WORTH[code] / worth))
        for code, found in rates
        if worth and code in _WORTH and found > 0
    ]
    if expected:
        direct = median(abs(found - usual) for found, usual in expected)
        inverse = median(abs(found + usual) for found, usual in expected)
        if 2 * direct < inverse or 2 * inverse < direct:
            return "direct" if direct < inverse else "inverse"
    code, found = rates[0] if rates else ("USD", 1.0)
    text = (
        f"does one {code} cost {found:g} {reporting_currency} (direct), or one {reporting_currency} {found:g} {code} "
        "(inverse)"
    )
    raise OpenQuestionError(Question(described.label, text, DIRECTIONS, "rates"))
