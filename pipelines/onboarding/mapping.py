"""From described columns to an entity: which entity of this project a table is, and where each column goes.

Belongs here: the expression for each column, the key, and what a person should check. Does not belong here: reading
files (`sniffing.py`), recognising entities and columns (`recognising.py`, `matching.py`), and writing the mapping as
SQL (`writing.py`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipelines.onboarding.amounts import HUNDREDTH, may_be_cents_in, with_cents, with_prices, without_tax
from pipelines.onboarding.columns import Column
from pipelines.onboarding.deletions import other_flags, tombstone
from pipelines.onboarding.entities import NO_ENTITY, Synonyms, entity_columns, synonyms
from pipelines.onboarding.grain import is_equal_within, only_sales, period_of
from pipelines.onboarding.matching import Assigned, assign, types_of, with_order_columns
from pipelines.onboarding.money import direction_of_rates
from pipelines.onboarding.money_back import with_refunds
from pipelines.onboarding.months import MONTH
from pipelines.onboarding.names import words_of
from pipelines.onboarding.notes import notes_on
from pipelines.onboarding.outcomes import dates_of_outcome, outcome_column, outcome_in_sql, outcome_to_write
from pipelines.onboarding.proposals import PLACE, Mapped, Proposal, as_type, changed, expression, quoted, surrogate
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
        columns = without_tax(described, columns, said)
    if entity == "order_items":
        columns = with_prices(described, columns, said)
    if entity == "opportunities":
        columns = _with_dates_of_loss(described, columns, said)
    if entity == "fx_rates":
        columns = _with_direction(described, columns, assigned, currency, rates, said)
    columns = with_cents(described, columns, said)
    undecided = may_be_cents_in(entity, described, columns, currency)
    if amounts == "cents":
        columns = tuple(replace(one, sql=HUNDREDTH) if one in undecided else one for one in columns)
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
            sql = as_type(column, sql_type)
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
            sql = "$column" if column else surrogate(key)
        result.append(
            Mapped(name, sql_type, column, sql, name in meaning.required, hints.get(name, nothing_like(name)), others)
        )
    return tuple(result)


def _is_unique_sale(described: Described, column: Column) -> bool:
    """True if the values of the column repeat, but not among sales."""
    return not column.is_unique and only_sales(described).column(column.name).is_unique


def _with_dates_of_loss(described: Described, columns: tuple[Mapped, ...], said: list[str]) -> tuple[Mapped, ...]:
    """The date of closing, where won and lost deals have a column each."""
    closed = next(mapped for mapped in columns if mapped.name == "closed_at")
    dates = dates_of_outcome(described.columns)
    if not dates or closed.column != dates[0]:
        return columns
    _, lost = dates
    said.append(f"closed_at is {closed.column.name} of won deals, and {lost.name} of lost ones.")
    sql = f"coalesce({closed.sql}, {expression(replace(closed, column=lost, sql=as_type(lost, closed.sql_type)))})"
    return changed(columns, "closed_at", sql=sql, others=(lost,))


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
    return changed(columns, "rate", sql="cast(1 / nullif($column, 0) as decimal(18, 8))")


# --- What else the table holds ----------------------------------------------------------------------------------------


def _with_other_entities(proposal: Proposal, described: Described, delivered: Sequence[str]) -> Proposal:
    """The proposal with the refunds among orders and lines, and with the history of reps, unless another table of the
    source has them."""
    if proposal.entity == "sales_reps" and "sales_rep_versions" not in delivered:
        return replace(proposal, also=(_history_of_reps(proposal),))
    if proposal.entity not in ("orders", "order_items") or "refunds" in delivered:
        return proposal
    return with_refunds(proposal, described)


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
