"""The refunds among orders and order lines: rows of their own, or an amount in a column of the order.

Does not belong here: which kinds of rows give money back (`kinds.py`).
"""

import re
from dataclasses import replace

from pipelines.onboarding.entities import entity_columns
from pipelines.onboarding.grain import kinds_with_money_back
from pipelines.onboarding.kinds import money_back_in_sql
from pipelines.onboarding.names import words_of
from pipelines.onboarding.proposals import PLACE, Mapped, Proposal, as_type, changed, expression, quoted, surrogate
from pipelines.onboarding.sniffing import Described


def with_refunds(proposal: Proposal, described: Described) -> Proposal:
    """The proposal of orders or their lines with the refunds among them."""
    amounts = ("total_amount",) if proposal.entity == "orders" else ("quantity", "unit_price")
    negative = next((name for name in amounts if _negatives(proposal, described, name)), None)
    kinds = kinds_with_money_back(described)
    if negative is None and kinds is None:
        return _with_amounts_refunded(proposal, described)
    if negative == "unit_price" and kinds is None and _is_discount_line(proposal, described):
        return proposal
    if negative and (column := proposal.source_of(negative)):
        condition = f"{quoted(column.name)} < 0"
    elif kinds:
        condition = money_back_in_sql(quoted(kinds.name), kinds.values)
    refunds = _refunds(proposal, condition, sign="-" if negative else "")
    return replace(proposal, where=f"not coalesce({condition}, false)", also=(refunds,))


_REFUNDED = re.compile(
    r"((order_)?(amount_refunded|refunded_amount|refund_amount|total_refunded|refunds?_total|refunded)"
    r"|zwrocono|kwota_zwrotu|erstattet|erstattungsbetrag|montant_rembourse|importe_reembolsado|valor_reembolsado"
    r"|importo_rimborsato|terugbetaald(_bedrag)?)(_(in_)?cents?)?"
)
_REFUNDED_ON = re.compile(r"(last_)?refund(ed)?_(at|on|date|time)(_utc)?|data_zwrotu|erstattet_am|erstattungsdatum")


def _with_amounts_refunded(proposal: Proposal, described: Described) -> Proposal:
    """The proposal with the refunds of orders that have their amount in a column of their own. A flag is none."""
    named = [one for one in described.columns if _REFUNDED.fullmatch(words_of(one.name))]
    refunded = [one for one in named if one.reading("decimal", "integer") and not {"1"} <= one.values <= {"0", "1"}]
    total = next((mapped for mapped in proposal.columns if mapped.name == "total_amount"), None)
    if proposal.entity != "orders" or proposal.key == PLACE or not refunded or total is None:
        return proposal
    refunds = _refunds(proposal, f"{quoted(refunded[0].name)} <> 0", sign="")
    moments = [one for one in described.columns if _REFUNDED_ON.fullmatch(words_of(one.name))]
    dates = [one for one in moments if one.reading("timestamp", "date")]
    sql = f"abs({total.sql})"
    if total.others and total.column:  # with the same share of tax as the order
        paid = quoted(total.column.name)
        sql = f"cast(abs($column) * ({expression(total)}) / nullif({paid}, 0) as decimal(18, 6))"
    columns = changed(refunds.columns, "amount", column=refunded[0], sql=sql, others=())
    if dates:
        ordered_at = next(expression(mapped) for mapped in columns if mapped.name == "refunded_at")
        sql = f"coalesce({as_type(dates[0], 'timestamp')}, {ordered_at})"
        columns = changed(columns, "refunded_at", column=dates[0], sql=sql)
    used = {refunded[0].name, *(one.name for one in dates[:1])}
    unused = tuple(one for one in proposal.unused if one.name not in used)
    return replace(proposal, unused=unused, also=(replace(refunds, columns=columns, unused=unused),))


def _negatives(proposal: Proposal, described: Described, name: str) -> int:
    """How many rows have a negative value in the entity column; 0 if all have, since then minus means nothing."""
    column = proposal.source_of(name)
    reading = column.reading("decimal", "integer") if column else None
    if column is None or reading is None:
        return 0
    numbers = [number for cell in described.cells(column.name) if (number := reading.number(cell)) is not None]
    count = sum(number < 0 for number in numbers)
    return count if count < len(numbers) else 0


def _is_discount_line(proposal: Proposal, described: Described) -> bool:
    """True if lines with a negative price belong to orders that have other lines, as a voucher does."""
    number, price = proposal.source_of("order_id"), proposal.source_of("unit_price")
    reading = price.reading("decimal", "integer") if price else None
    if number is None or price is None or reading is None:
        return False
    signs: dict[str | None, set[bool]] = {}
    for order, cell in zip(described.cells(number.name), described.cells(price.name), strict=True):
        signs.setdefault(order, set()).add((reading.number(cell) or 0) < 0)
    return any(len(found) > 1 for found in signs.values())


def _refunds(proposal: Proposal, condition: str, sign: str) -> Proposal:
    """The rows of orders or order lines that give money back; `sign` turns their amounts round if they are negative."""
    made = {mapped.name: mapped for mapped in proposal.columns}
    if proposal.entity == "orders":
        total = made["total_amount"]
        sql = f"{sign}({total.sql})" if total.others else f"{sign}{total.sql}"
        amount, key = replace(total, name="amount", sql=sql if total.sql else None), made["order_id"]
        if proposal.key == PLACE:
            key = replace(key, column=None, sql=surrogate(PLACE))
    else:
        parts = {name: expression(made[name]) for name in ("quantity", "unit_price", "discount_amount")}
        sql = f"{sign}(round({parts['quantity']} * {parts['unit_price']}, 2) - ({parts['discount_amount']}))"
        amount, key = Mapped("amount", "decimal(18, 6)", None, sql), made["order_item_id"]
    taken = {"refund_id": key, "refunded_at": made.get("ordered_at"), "amount": amount}
    names = ("order_id", "currency_code", "customer_id", "region", "channel", "rep_id")
    taken |= {name: made[name] for name in names if name in made}
    columns = []
    for name, sql_type in entity_columns()["refunds"].items():
        mapped = taken.get(name)
        nothing = Mapped(name, sql_type, hint="not delivered", is_required=name == "refunded_at")
        columns.append(replace(mapped, name=name, sql_type=sql_type) if mapped else nothing)
    return replace(proposal, entity="refunds", columns=tuple(columns), where=condition, tombstone=None)
