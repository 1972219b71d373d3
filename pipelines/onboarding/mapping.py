"""From described columns to an entity: which entity of this project a table is, and where each column goes.

Belongs here: the expression for each column, the key, and what a person should check. Does not belong here: reading
files (`sniffing.py`), recognising entities and columns (`recognising.py`, `matching.py`), and writing the mapping as
SQL (`writing.py`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipelines.onboarding.columns import Column
from pipelines.onboarding.deletions import other_flags, tombstone
from pipelines.onboarding.entities import NO_ENTITY, Synonyms, entity_columns, synonyms
from pipelines.onboarding.grain import is_equal_within, kinds_with_money_back, only_sales, order_number, period_of
from pipelines.onboarding.kinds import money_back_in_sql
from pipelines.onboarding.matching import Assigned, assign, types_of, with_order_columns
from pipelines.onboarding.money import (
    before_fee,
    direction_of_rates,
    evidence_of_cents,
    evidence_of_micros,
    is_total_of_line,
    kind_of_discount,
    may_be_cents,
    net_by_name,
    net_of,
    tax_within,
)
from pipelines.onboarding.months import MONTH
from pipelines.onboarding.names import words_of
from pipelines.onboarding.notes import notes_on
from pipelines.onboarding.outcomes import dates_of_outcome, outcome_column, outcome_in_sql, outcome_to_write
from pipelines.onboarding.proposals import PLACE, Mapped, Proposal, quoted, source_of, text
from pipelines.onboarding.recognising import best_entity, newest_by
from pipelines.onboarding.sniffing import Described, UnrecognisedError

REPORTING_CURRENCY = "'{{ var(\"reporting_currency\") }}'"


def propose(
    described: Described,
    name: str,
    currency: str,
    entity: str | None = None,
    delivered: Sequence[str] = (),
    known: Mapping[str, str] | None = None,
    rates: str | None = None,
    amounts: str | None = None,
) -> Proposal:
    """The entity that fits best, and the mapping of its columns.

    `name` consists of the names of the file and the table, whose words also count. `currency` is the reporting
    currency. `entity` overrides the choice; `none` means none. `delivered` lists the entities that the source already
    has. `known` holds the columns that other tables decide, as {entity column: delivered column}. `rates` is the
    direction of exchange rates, `direct` or `inverse`. `amounts` says what whole amounts are, `cents` or `whole`.

    Raises:
        UnrecognisedError: no entity fits, or something that changes a KPI is open; the message names the option that
            decides it.
    """
    if entity is not None and entity not in (*synonyms(), NO_ENTITY):
        raise UnrecognisedError(
            f"--entity: {entity!r} is not an entity. The entities are: {', '.join(sorted(synonyms()))}."
        )
    entity = entity or best_entity(described, name)
    if entity == NO_ENTITY:
        return _reference_table(described)
    meaning = with_order_columns(entity, described.columns, delivered)
    assigned, hints = assign(described.columns, meaning, known)
    newest = newest_by(described)
    key = _key(entity, described, assigned, meaning, newest)
    if described.months:
        key = tuple(name for name in key if name != MONTH) or PLACE
    columns = _mapped(entity, described, assigned, hints, meaning, key)
    said: list[str] = []
    if entity == "orders":
        columns = _without_tax(described, columns, said)
    if entity == "order_items":
        columns = _with_prices(described, columns, said)
    if entity == "opportunities":
        columns = _with_dates_of_loss(described, columns, said)
    if entity == "fx_rates":
        columns = _with_direction(described, columns, assigned, currency, rates, said)
    columns = _with_cents(described, columns, said)
    undecided = _may_be_cents(entity, described, columns, currency)
    if amounts == "cents":
        columns = tuple(replace(one, sql=_HUNDREDTH) if one in undecided else one for one in columns)
    dates = [column.column.name for column in columns if column.column and column.sql_type in ("timestamp", "date")]
    said += other_flags(described)
    deleted = None if "is_deleted" in assigned else tombstone(described, entity)
    used = {*key, newest, deleted and deleted.column.name, *(one.name for mapped in columns for one in mapped.others)}
    used |= {mapped.column.name for mapped in columns if mapped.column}
    proposal = Proposal(
        entity=entity,
        columns=columns,
        key=key,
        newest_by=newest,
        date_column=next((date for date in dates if date != newest), None) if not described.months else None,
        unused=tuple(column for column in described.columns if column.name not in used),
        notes=tuple(said),
        tombstone=deleted,
        not_personal=_names_of_things(entity, described),
        may_be_cents=() if amounts else tuple(one.column.name for one in undecided if one.column),
    )
    proposal = _with_other_entities(proposal, described, delivered)
    if entity == "ad_spend":
        proposal = _summed_by_day(proposal, described)
    if entity == "orders" and key != PLACE and not described.is_key(key):
        varying = [
            column for column in proposal.unused if not is_equal_within(described, described.column(key[0]), column)
        ]
        proposal = replace(proposal, only_raw=tuple(column.name for column in varying))
    return replace(proposal, notes=notes_on(proposal, described, assigned, delivered, currency))


def _reference_table(described: Described) -> Proposal:
    """A table that is no entity, with the first column that names each row as its key."""
    unique = [column.name for column in described.columns if described.is_key([column.name])]
    ids = [name for name in unique if _ID.search(words_of(name))]
    note = (
        "It is none of this project's entities, so it is drafted as a table that no KPI counts. If its rows are an "
        "entity, specify it with --entity."
    )
    key = tuple((ids or unique)[:1]) or PLACE
    unused = tuple(column for column in described.columns if column.name not in key)
    things = _names_of_things(NO_ENTITY, described)
    return Proposal(NO_ENTITY, (), key, None, None, unused, (*described.notes, note), not_personal=things)


_OF_THINGS = re.compile(r"(^|_)(sku|ean|price|tax|rate|opened|closed|code|iso|currency|category|label|country)(_|$)")


def _names_of_things(entity: str, described: Described) -> tuple[str, ...]:
    """The column `name` where it names no people: of products and campaigns, and of tables such as one of stores."""
    others = [words_of(column.name) for column in described.columns]
    has_people = any(column.is_personal and words_of(column.name) != "name" for column in described.columns)
    is_of_things = entity == NO_ENTITY and any(_OF_THINGS.search(words) for words in others) and not has_people
    if entity not in ("products", "campaigns") and not is_of_things:
        return ()
    return tuple(column.name for column in described.columns if words_of(column.name) == "name")


USUAL_SQL: dict[str, str] = {  # the expression for a delivered column, where it is not simply the column
    "status": "{{ order_status('$text') }}",
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


def nothing_like(name: str) -> str:
    """The hint for an entity column that no delivered column resembles."""
    return f"no delivered column looks like {name}"


def _mapped(
    entity: str, described: Described, assigned: Assigned, hints: dict[str, str], meaning: Synonyms, key: Sequence[str]
) -> tuple[Mapped, ...]:
    result = []
    amounts = [column for name, column in assigned.items() if types_of(meaning)[name].startswith("decimal")]
    in_amounts = next((code for column in amounts if (code := column.currency)), None)
    for name in meaning.columns:
        sql_type = types_of(meaning)[name] if name not in entity_columns()[entity] else entity_columns()[entity][name]
        column = assigned.get(name)
        others: tuple[Column, ...] = ()
        sql: str | None = USUAL_SQL.get(name, "$column") if column else meaning.otherwise.get(name)
        if column is None and name in ("currency_code", "to_currency"):
            sql = f"'{in_amounts}'" if in_amounts and name == "currency_code" else REPORTING_CURRENCY
        if column and sql == "$column" and column.is_personal and name.endswith("_id"):
            sql = "md5(lower($column))"
        if column and sql == "$column":
            sql = _as_type(column, sql_type)
        if name == "customer_id" and (mail := _mail_of_customer(described, column)):
            column, sql = mail, "{{ email_key('$text') }}"
        if column is None and name in ("is_won", "is_closed"):
            column = outcome_column(described.columns)
            sql = outcome_in_sql(column, name) if column else None
            if column is None and (dates := dates_of_outcome(described.columns)):
                column, others = dates[0], dates[1:] if name == "is_closed" else ()
                sql = " or ".join(f"{quoted(one.name)} is not null" for one in (column, *others))
                sql = f"({sql})" if others else sql
            elif column is None and "stage" in assigned and assigned["stage"].values:
                hints.setdefault(name, outcome_to_write(assigned["stage"], name))
        is_key = column and (list(key) == [column.name] or (entity == "orders" and _is_unique_sale(described, column)))
        if [name] == meaning.keys[0] and not is_key and (column or name not in meaning.required):
            column = described.column(key[0]) if len(key) == 1 and not described.column(key[0]).is_personal else None
            sql = "$column" if column else _surrogate(key)
        result.append(
            Mapped(name, sql_type, column, sql, name in meaning.required, hints.get(name, nothing_like(name)), others)
        )
    return tuple(result)


def _is_unique_sale(described: Described, column: Column) -> bool:
    """True if the values of the column repeat, but not among sales."""
    return not column.is_unique and only_sales(described).column(column.name).is_unique


def _surrogate(key: Sequence[str]) -> str:
    return "{{ surrogate_key([" + ", ".join(f"'{text(part)}'" for part in key) + "]) }}"


def _changed(columns: Sequence[Mapped], name: str, **changes: Any) -> tuple[Mapped, ...]:
    return tuple(replace(mapped, **changes) if mapped.name == name else mapped for mapped in columns)


def _without_tax(described: Described, columns: tuple[Mapped, ...], said: list[str]) -> tuple[Mapped, ...]:
    """The order's amount without tax, if the file also holds the tax and the columns add up; and with the fee that a
    payment provider or a marketplace keeps, which is a cost of the seller."""
    total = source_of(columns, "total_amount")
    if total is None:
        return columns
    if less_fee := before_fee(described, total):
        paid, fee = less_fee
        said.append(f"{total.name} is {paid.name} less {fee.name}, which is a cost, so total_amount is {paid.name}.")
        columns, total = _changed(columns, "total_amount", column=paid), paid
    if parts := net_of(described, total):
        net, tax = parts
        said.append(f"{total.name} includes {tax.name}, so total_amount is {net.name}: the columns add up.")
    elif (named := net_by_name(described, total)) and not before_fee(described, named):
        net = named
        said.append(f"total_amount is {net.name}, not {total.name}, since its name says that it is without tax.")
    elif within := tax_within(described, total):
        said.append(f"{total.name} includes {within.name}, so total_amount is {total.name} less {within.name}.")
        sql = f"$column - coalesce({quoted(within.name)}, 0)"
        return _changed(columns, "total_amount", sql=sql, others=(within,))
    else:
        return columns
    return _changed(columns, "total_amount", column=net)


def _with_prices(described: Described, columns: tuple[Mapped, ...], said: list[str]) -> tuple[Mapped, ...]:
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
        return _with_total(_changed(columns, "discount_amount", column=None, sql="0"), quantity, total)
    if discount is not None:
        return _with_discount(described, columns, quantity, price, discount, said)
    return columns


def _with_total(columns: tuple[Mapped, ...], quantity: Column | None, total: Column) -> tuple[Mapped, ...]:
    """Lines that cost `total`. A price of one unit is rounded, and the discount takes up what the rounding adds."""
    if quantity is None:
        return _changed(columns, "unit_price", column=total, sql="$column")
    units = f"whole_units('{text(quantity.name)}')"
    price = f"unit_price_of('{text(total.name)}', {units})"
    discount = next(mapped for mapped in columns if mapped.name == "discount_amount")
    rounding = f"discount_of({units}, {price}, '{text(total.name)}')"
    sql = f"{{{{ {rounding} }}}}" + (f" + {discount.sql}" if discount.column else "")
    columns = _changed(columns, "quantity", sql=f"{{{{ {units} }}}}")
    columns = _changed(columns, "unit_price", column=total, sql=f"{{{{ {price} }}}}")
    return _changed(columns, "discount_amount", sql=sql)


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
    return _changed(columns, "discount_amount", sql=sql)


def _with_dates_of_loss(described: Described, columns: tuple[Mapped, ...], said: list[str]) -> tuple[Mapped, ...]:
    """The date of closing, where won and lost deals have a column each."""
    closed = next(mapped for mapped in columns if mapped.name == "closed_at")
    dates = dates_of_outcome(described.columns)
    if not dates or closed.column != dates[0]:
        return columns
    _, lost = dates
    said.append(f"closed_at is {closed.column.name} of won deals, and {lost.name} of lost ones.")
    sql = f"coalesce({closed.sql}, {_expression(replace(closed, column=lost, sql=_as_type(lost, closed.sql_type)))})"
    return _changed(columns, "closed_at", sql=sql, others=(lost,))


_HUNDREDTH = "cast($column / 100 as decimal(18, 6))"


def _with_cents(described: Described, columns: tuple[Mapped, ...], said: list[str]) -> tuple[Mapped, ...]:
    """Amounts that are delivered in cents, divided by 100, or in millionths, divided by a million."""
    factors = assign(described.columns, synonyms()["order_items"])[0]
    pair = [factors[name] for name in ("quantity", "unit_price") if name in factors]
    for mapped in columns:
        is_money = mapped.column and mapped.sql == "$column" and mapped.sql_type == "decimal(18, 6)"
        if mapped.column and is_money and (evidence := evidence_of_micros(mapped.column)):
            said.append(f"{mapped.column.name} is taken as millionths, and divided by 1,000,000: {evidence}.")
            columns = _changed(columns, mapped.name, sql="cast($column / 1000000 as decimal(18, 6))")
        elif mapped.column and is_money and (evidence := evidence_of_cents(described, mapped.column, pair)):
            said.append(f"{mapped.column.name} is taken as cents, and divided by 100: {evidence}.")
            columns = _changed(columns, mapped.name, sql=_HUNDREDTH)
    return columns


_OF_SALES = ("total_amount", "unit_price", "amount", "spend")


def _may_be_cents(entity: str, described: Described, columns: Sequence[Mapped], currency: str) -> list[Mapped]:
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


def _with_direction(
    described: Described,
    columns: tuple[Mapped, ...],
    assigned: Assigned,
    currency: str,
    told: str | None,
    said: list[str],
) -> tuple[Mapped, ...]:
    """Rates as the value of one unit of `from_currency` in `to_currency`."""
    if "rate" not in assigned or "from_currency" not in assigned:
        return columns
    source, target, rate = assigned["from_currency"], assigned.get("to_currency"), assigned["rate"]
    direction = direction_of_rates(described, source, target, rate, currency, told)
    code, other = described.cells(source.name)[0], described.cells(target.name)[0] if target else currency
    one, priced = (code, other) if direction == "direct" else (other, code)
    said.append(
        f"The first rate is read as: 1 {one} costs {described.cells(rate.name)[0]} {priced}. If that is turned round, "
        f"add --rates {'inverse' if direction == 'direct' else 'direct'}."
    )
    if direction == "direct":
        return columns
    return _changed(columns, "rate", sql="cast(1 / nullif($column, 0) as decimal(18, 8))")


# --- What else the table holds ----------------------------------------------------------------------------------------


def _with_other_entities(proposal: Proposal, described: Described, delivered: Sequence[str]) -> Proposal:
    """The proposal with the refunds among orders and lines, and with the history of reps, unless another table of the
    source has them."""
    if proposal.entity == "sales_reps" and "sales_rep_versions" not in delivered:
        return replace(proposal, also=(_history_of_reps(proposal),))
    if proposal.entity not in ("orders", "order_items") or "refunds" in delivered:
        return proposal
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
    refunded = [one for one in named if one.reading("decimal", "integer") and not {*one.values} <= {"0", "1"}]
    total = next((mapped for mapped in proposal.columns if mapped.name == "total_amount"), None)
    if proposal.entity != "orders" or proposal.key == PLACE or not refunded or total is None:
        return proposal
    refunds = _refunds(proposal, f"{quoted(refunded[0].name)} <> 0", sign="")
    moments = [one for one in described.columns if _REFUNDED_ON.fullmatch(words_of(one.name))]
    dates = [one for one in moments if one.reading("timestamp", "date")]
    sql = f"abs({total.sql})"
    if total.others and total.column:  # with the same share of tax as the order
        paid = quoted(total.column.name)
        sql = f"cast(abs($column) * ({_expression(total)}) / nullif({paid}, 0) as decimal(18, 6))"
    columns = _changed(refunds.columns, "amount", column=refunded[0], sql=sql, others=())
    if dates:
        columns = _changed(columns, "refunded_at", column=dates[0], sql=_as_type(dates[0], "timestamp"))
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
            key = replace(key, column=None, sql=_surrogate(PLACE))
    else:
        parts = {name: _expression(made[name]) for name in ("quantity", "unit_price", "discount_amount")}
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


def _expression(mapped: Mapped) -> str:
    """The SQL of the entity column, with the name of its delivered column."""
    sql = mapped.sql or "null"
    if mapped.column is None:
        return sql
    return sql.replace("$column", quoted(mapped.column.name)).replace("$text", text(mapped.column.name))


def _history_of_reps(proposal: Proposal) -> Proposal:
    """What was delivered of each rep and when: a deal counts in the team that its rep had at the time."""
    by_name = {mapped.name: mapped for mapped in proposal.columns}
    types = entity_columns()["sales_rep_versions"]
    columns = [
        Mapped(name, sql_type, sql="_delivered_on") if name == "valid_from" else by_name[name]
        for name, sql_type in types.items()
    ]
    return replace(proposal, entity="sales_rep_versions", columns=tuple(columns), where="")


def _finer_key(described: Described, assigned: Assigned) -> tuple[str, ...] | None:
    """The key of ad rows that are finer than campaign and day: also the ad set, the device and the like."""
    if "spend_date" not in assigned:
        return None
    names = [assigned[name].name for name in ("spend_date", "campaign_id") if name in assigned]
    used = {column.name for column in assigned.values()}
    finer = [
        column.name
        for column in described.columns
        if column.name not in used and column.is_complete and column.type == "text" and not column.is_personal
        if not all(_A_MEASURE.fullmatch(cell or "") for cell in described.cells(column.name))
    ]
    # What may be corrected later, such as the name or the status of a campaign, should not be part of the key.
    dimensions = [name for name in finer if not _DESCRIBES.search(words_of(name))]
    for more in (dimensions, finer):
        if more and described.is_key([*names, *more]):
            return (*names, *more)
    return None


_DESCRIBES = re.compile(
    r"^(campaign|account|advertiser|portfolio)_(name|status|type|state|objective|budget|group)|^(campaign|account|advertiser)$"
    r"|(^|_)(status|delivery|objective|budget|bid|attribution|currency|currency_code|time_zone)(_|$)"
)
_A_MEASURE = re.compile(r"[<>]?\s*[\d.,\s]+\s*%|--?|n/a", re.IGNORECASE)


def _summed_by_day(proposal: Proposal, described: Described) -> Proposal:
    """The proposal with its measures summed up, if several rows are of one campaign and day; and with its rhythm."""
    start = proposal.source_of("spend_date")
    period = period_of(described, start) if start else None
    if period and period.is_months and period.longer == described.rows:
        proposal = replace(proposal, rhythm="monthly")
    names = [column.name for name in ("spend_date", "campaign_id") if (column := proposal.source_of(name))]
    if not names or described.identifies(names):
        return proposal
    return replace(proposal, summed=("impressions", "clicks", "spend"))


def _as_type(column: Column, sql_type: str) -> str:
    if sql_type == "timestamp" and column.type == "date":
        return "{{ try_timestamp('cast($text as string)', var('time_zone')) }}"
    if sql_type == "date" and column.type == "timestamp":
        return "{{ business_date('$text') }}"
    return "$column"


def _mail_of_customer(described: Described, customer: Column | None) -> Column | None:
    """The e-mail address that stands for the customer: if there is no other column, or only the name of a person, which
    several share."""
    mails = [column for column in described.columns if "mail" in words_of(column.name) and column.is_personal]
    has_only_a_name = customer is not None and customer.is_personal and words_of(customer.name) == "name"
    return mails[0] if mails and (customer is None or has_only_a_name) else None


# --- Which rows are versions of one -----------------------------------------------------------------------------------


def _is_one_order_per_number(described: Described, assigned: Assigned) -> bool:
    """True if a repeated order number is that of one order: nothing that an order has differs between its rows."""
    number = assigned["order_id"]
    return number.is_complete and all(
        is_equal_within(described, number, column) for name, column in assigned.items() if name != "order_id"
    )


_ID = re.compile(r"(^|_)(id|uuid|guid|number|no|nr|numer|nummer|key|code|sku)$")


def _key(
    entity: str, described: Described, assigned: Assigned, meaning: Synonyms, newest: str | None
) -> tuple[str, ...]:
    if described.primary_key:
        return described.primary_key
    if entity == "customers" and "customer_id" not in assigned and (mail := _mail_of_customer(described, None)):
        return (mail.name,) if described.identifies([mail.name]) else PLACE
    for names in meaning.keys:
        columns = tuple(assigned[name].name for name in names if name in assigned)
        if len(columns) != len(names):
            continue
        if described.identifies(columns) or (newest and described.is_key((*columns, newest))):
            return columns
    if entity == "orders" and "order_id" in assigned and _is_one_order_per_number(described, assigned):
        return (assigned["order_id"].name,)
    if entity == "ad_spend" and (finer := _finer_key(described, assigned)):
        return finer
    # If a reference to another entity is unique in one file, that is a coincidence.
    own = {name for names in meaning.keys for name in names}
    references = {column.name for name, column in assigned.items() if name.endswith("_id") and name not in own}
    for column in described.columns:
        is_id = _ID.search(words_of(column.name)) and column.name not in references and not column.is_personal
        if is_id and described.is_key([column.name]):
            return (column.name,)
    return PLACE
