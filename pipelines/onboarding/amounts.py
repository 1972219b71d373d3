"""The columns of money of orders, their lines, refunds and ad spend: without tax and fees, per unit, not in cents.

Does not belong here: the evidence for it (`money.py`).
"""

from collections.abc import Sequence

from pipelines.onboarding.columns import Column
from pipelines.onboarding.entities import synonyms
from pipelines.onboarding.grain import is_equal_within, order_number
from pipelines.onboarding.matching import assign
from pipelines.onboarding.money import (
    before_fee,
    evidence_of_cents,
    evidence_of_micros,
    is_total_of_line,
    kind_of_discount,
    may_be_cents,
    net_by_name,
    net_of,
    tax_within,
)
from pipelines.onboarding.proposals import Mapped, changed, quoted, source_of, text
from pipelines.onboarding.sniffing import Described


def without_tax(described: Described, columns: tuple[Mapped, ...], said: list[str]) -> tuple[Mapped, ...]:
    """The order's amount without tax, if the file also holds the tax and the columns add up; and with the fee that a
    payment provider or a marketplace keeps, which is a cost of the seller."""
    total = source_of(columns, "total_amount")
    if total is None:
        return columns
    if less_fee := before_fee(described, total):
        paid, fee = less_fee
        said.append(f"{total.name} is {paid.name} less {fee.name}, which is a cost, so total_amount is {paid.name}.")
        columns, total = changed(columns, "total_amount", column=paid), paid
    if parts := net_of(described, total):
        net, tax = parts
        said.append(f"{total.name} includes {tax.name}, so total_amount is {net.name}: the columns add up.")
    elif (named := net_by_name(described, total)) and not before_fee(described, named):
        net = named
        said.append(f"total_amount is {net.name}, not {total.name}, since its name says that it is without tax.")
    elif within := tax_within(described, total):
        said.append(f"{total.name} includes {within.name}, so total_amount is {total.name} less {within.name}.")
        sql = f"$column - coalesce({quoted(within.name)}, 0)"
        return changed(columns, "total_amount", sql=sql, others=(within,))
    else:
        return columns
    return changed(columns, "total_amount", column=net)


def with_prices(described: Described, columns: tuple[Mapped, ...], said: list[str]) -> tuple[Mapped, ...]:
    """The price of one unit, also where only the total of the line is delivered; and what a discount is."""
    quantity, price = source_of(columns, "quantity"), source_of(columns, "unit_price")
    discount = source_of(columns, "discount_amount")
    if (
        price is not None
        and quantity is not None
        and is_total_of_line(described, price, quantity, source_of(columns, "product_id"))
    ):
        said.append(f"{price.name} is the total of the line: of the same product, it grows with {quantity.name}.")
        return _with_total(columns, quantity, price)
    if price is None:
        number = order_number(described)
        total = assign(described.columns, synonyms()["orders"])[0].get("total_amount")
        if total is None or (number and not number.is_unique and is_equal_within(described, number, total)):
            return columns
        if parts := net_of(described, total):
            said.append(
                f"{total.name} includes {parts[1].name}, so the line's total is {parts[0].name}: the columns add up."
            )
            total = parts[0]
        divided = f", so the price of one unit is {total.name} divided by {quantity.name}" if quantity else ""
        said.append(f"{total.name} is taken as the total of the line, after discounts and excluding tax{divided}.")
        # What was paid for the line is known, so the discount is part of it.
        return _with_total(changed(columns, "discount_amount", column=None, sql="0"), quantity, total)
    if discount is not None:
        return _with_discount(described, columns, quantity, price, discount, said)
    return columns


def _with_total(columns: tuple[Mapped, ...], quantity: Column | None, total: Column) -> tuple[Mapped, ...]:
    """Lines that cost `total`. A price of one unit is rounded, and the discount takes up what the rounding adds."""
    if quantity is None:
        return changed(columns, "unit_price", column=total, sql="$column")
    units = f"whole_units('{text(quantity.name)}')"
    price = f"unit_price_of('{text(total.name)}', {units})"
    discount = next(mapped for mapped in columns if mapped.name == "discount_amount")
    rounding = f"discount_of({units}, {price}, '{text(total.name)}')"
    sql = f"{{{{ {rounding} }}}}" + (f" + {discount.sql}" if discount.column else "")
    columns = changed(columns, "quantity", sql=f"{{{{ {units} }}}}")
    columns = changed(columns, "unit_price", column=total, sql=f"{{{{ {price} }}}}")
    return changed(columns, "discount_amount", sql=sql)


def _with_discount(
    described: Described,
    columns: tuple[Mapped, ...],
    quantity: Column | None,
    price: Column,
    discount: Column,
    said: list[str],
) -> tuple[Mapped, ...]:
    """A discount as an amount of the line: it may be delivered as a share, as a percentage, or for one unit."""
    kind, why = kind_of_discount(described, quantity, price, discount)
    units = f"nullif({quoted(quantity.name)}, 0)" if quantity else "1"
    amount = f"{quoted(price.name)} * {units}" if quantity else quoted(price.name)
    factor = {"a share of the price": amount, "a percentage": f"{amount} / 100", "the discount of one unit": units}
    if kind not in factor:
        return columns
    said.append(f"{discount.name} is taken as {kind}, since {why}.")
    sql = f"cast(coalesce($column, 0) * {factor[kind]} as decimal(18, 6))"
    return changed(columns, "discount_amount", sql=sql)


HUNDREDTH = "cast($column / 100 as decimal(18, 6))"


def with_cents(described: Described, columns: tuple[Mapped, ...], said: list[str]) -> tuple[Mapped, ...]:
    """Amounts that are delivered in cents, divided by 100, or in millionths, divided by a million."""
    factors = assign(described.columns, synonyms()["order_items"])[0]
    pair = [factors[name] for name in ("quantity", "unit_price") if name in factors]
    for mapped in columns:
        is_money = mapped.column and mapped.sql == "$column" and mapped.sql_type == "decimal(18, 6)"
        if mapped.column and is_money and (evidence := evidence_of_micros(mapped.column)):
            said.append(f"{mapped.column.name} is taken as millionths, and divided by 1,000,000: {evidence}.")
            columns = changed(columns, mapped.name, sql="cast($column / 1000000 as decimal(18, 6))")
        elif mapped.column and is_money and (evidence := evidence_of_cents(described, mapped.column, pair)):
            said.append(f"{mapped.column.name} is taken as cents, and divided by 100: {evidence}.")
            columns = changed(columns, mapped.name, sql=HUNDREDTH)
    return columns


_OF_SALES = ("total_amount", "unit_price", "amount", "spend")


def may_be_cents_in(entity: str, described: Described, columns: Sequence[Mapped], currency: str) -> list[Mapped]:
    """The amounts that may be cents, though nothing says so."""
    if entity not in ("orders", "order_items", "refunds", "ad_spend"):
        return []
    named = source_of(columns, "currency_code")
    return [
        one
        for one in columns
        if one.column and one.sql == "$column" and one.name in _OF_SALES
        if may_be_cents(described, one.column, {value.upper() for value in named.values} if named else {currency})
    ]
