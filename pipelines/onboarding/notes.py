"""What a draft assumes, and what a person should check, in words with counts.

Does not belong here: the decisions themselves (`mapping.py`).
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from pipelines.formatting import counted
from pipelines.onboarding.cells import kind_of_unreadable
from pipelines.onboarding.columns import Column
from pipelines.onboarding.grain import period_of
from pipelines.onboarding.kinds import is_money_back, is_sale, tells_kinds
from pipelines.onboarding.matching import Assigned
from pipelines.onboarding.names import words_of
from pipelines.onboarding.outcomes import closed_rows, is_lost, is_won
from pipelines.onboarding.proposals import PLACE, Proposal
from pipelines.onboarding.sniffing import Described
from pipelines.onboarding.statuses import sells_nothing


def notes_on(
    proposal: Proposal, described: Described, assigned: Assigned, delivered: Sequence[str], currency: str
) -> tuple[str, ...]:
    """All notes on a proposal: how the file is read, what is assumed of it, what is left out."""
    return (
        *described.notes,
        *proposal.notes,
        *_on_keys(proposal, described),
        *_on_cells(proposal, described, assigned),
        *_on_currencies(proposal, currency),
        *_on_whole_amounts(proposal, described),
        *_on_orders(proposal, assigned, delivered),
        *_on_kinds(proposal, described),
        *_on_deals(proposal, described),
        *_on_customers(proposal),
        *_on_ads(proposal, described),
        *_on_what_is_lacking(proposal),
        *_on_unused(proposal, described),
        *_on_what_is_left_out(proposal, described),
    )


def _on_keys(proposal: Proposal, described: Described) -> Iterator[str]:
    repeated = described.rows - len(set(described.sample))
    equal = f"{counted(repeated, 'row')} {'equals' if repeated == 1 else 'equal'} another row in every column"
    if proposal.key == PLACE:
        yield (
            "No column is a key: every delivered row counts, and a row delivered twice counts twice. "
            "If several columns together form a key, list them under `key`."
        )
        if repeated:
            yield (f"{equal}, and all of them count. If each should count once, write `key: all` in the source's YAML.")
    elif repeated and described.identifies(proposal.key):
        yield (
            f"{equal}, and each counts once. If all of them should count, write `key: [_source_file, _row_number]` in "
            "the source's YAML."
        )
    if proposal.entity == "orders" and proposal.key != PLACE and not described.identifies(proposal.key):
        number = described.column(proposal.key[0])
        orders = len({*described.cells(number.name)})
        yield (
            f"{number.name} repeats: {described.rows:,} rows are {orders:,} orders. What an order has is equal on all "
            "its rows, so its total counts once per order."
        )
        if proposal.only_raw:
            yield f"What differs between the rows of an order stays in raw: {', '.join(proposal.only_raw)}."
    number_of_order = proposal.source_of("order_id")
    if proposal.entity == "orders" and proposal.key == PLACE and number_of_order is None:
        yield "Each row counts as an order of its own. If several rows are one order, specify --entity order_items."


def _on_cells(proposal: Proposal, described: Described, assigned: Assigned) -> Iterator[str]:
    typed = {
        mapped.column.name: mapped.column
        for one in (proposal, *proposal.also)
        for mapped in one.columns
        if mapped.column and mapped.sql_type not in ("string", "varchar")
    }
    for column in typed.values():
        if column.unreadable and column.readings:
            kind = kind_of_unreadable(described.cells(column.name), column.readings[0])
            verb = "cell is" if column.unreadable == 1 else "cells are"
            yield (
                f"{column.name}: {column.unreadable} of {described.rows:,} {verb} not of type {column.type}{kind}; "
                "their rows are quarantined."
            )
        if column.readings and len(column.readings) == 2 and {r.type for r in column.readings} == {"date", "timestamp"}:
            yield f"{column.name}: all times are midnight in UTC, so it is taken as a date, which no time zone moves."
    for name, column in assigned.items():
        if column.ambiguous:
            yield f"{column.name}: can be read as {' or '.join(column.ambiguous)}; used as text for {name}."


def _on_currencies(proposal: Proposal, currency: str) -> Iterator[str]:
    for mapped in proposal.columns:
        if mapped.name != "currency_code" or mapped.column or not mapped.sql:
            continue
        if "reporting_currency" in mapped.sql:
            yield (
                "No column contains the currency: amounts are assumed to be in the reporting_currency of kpi.yml, "
                f"now {currency}."
            )
        else:
            yield f"Amounts are in {mapped.sql.strip(chr(39))}, as the header or the cells say."


def _on_whole_amounts(proposal: Proposal, described: Described) -> Iterator[str]:
    for name in proposal.may_be_cents:
        yield (
            f"{name} holds whole numbers only, such as {described.column(name).example}. If they are cents, add "
            "--amounts cents."
        )


def _on_orders(proposal: Proposal, assigned: Assigned, delivered: Sequence[str]) -> Iterator[str]:
    columns = proposal.columns
    if proposal.entity == "orders" and "total_amount" in assigned:
        total = (proposal.source_of("total_amount") or assigned["total_amount"]).name
        if _WITH_TAX.search(words_of(total)) and not any(one.others for one in columns if one.name == "total_amount"):
            yield f"{total} includes tax by its name, and no column holds it without: revenue is too high by the tax."
        else:
            yield f"total_amount must be what the customer paid, excluding tax: check that {total} is."
    elif proposal.entity == "orders" and "order_items" not in delivered:
        yield "No column contains the order's amount: map total_amount, or add the order lines with the same --name."
    has_date = any(mapped.name == "ordered_at" for mapped in columns)
    if proposal.entity == "order_items" and "orders" not in delivered and not has_date:
        yield "The lines do not say who ordered, and when: add the orders, too, with the same --name."
    if "status" in assigned and assigned["status"].values:
        statuses = sorted(assigned["status"].values)
        counted_ones = ", ".join(value.lower() for value in statuses if not sells_nothing(value))
        if nothing := ", ".join(value for value in statuses if sells_nothing(value)):
            yield f"Orders do not count where {assigned['status'].name} is {nothing}: their status becomes cancelled."
        if counted_ones:
            yield (
                f"Orders count with the statuses {counted_ones}; leave some out with kpis.excluded_order_statuses in "
                "kpi.yml."
            )


def _on_kinds(proposal: Proposal, described: Described) -> Iterator[str]:
    """Which kinds of rows count as sales, where a column has several: a kind that no list knows counts, too."""
    if proposal.entity not in ("orders", "order_items"):
        return
    for column in described.columns:
        kinds = Counter(cell for cell in described.cells(column.name) if cell and not is_money_back(cell))
        if tells_kinds(column.name) and any(map(is_sale, column.values)):
            listed = ", ".join(f"{kind} ({count:,})" for kind, count in kinds.items())
            yield (
                f"Rows count as sales where {column.name} is {listed}; leave some out with skip_rows in the source's "
                "YAML."
            )


_WITH_TAX = re.compile(
    r"(^|_)((inc|incl|including|inkl)_(tax|taxes|vat|gst|mwst|ust|tva|iva|btw|moms)|(tax|vat|gst)_(incl|included)|ttc|brutto)(_|$)"
)


def _on_deals(proposal: Proposal, described: Described) -> Iterator[str]:
    if proposal.entity != "opportunities":
        return
    outcome = proposal.source_of("is_closed")
    if outcome is None:
        return
    cells = described.cells(outcome.name)
    by_date = bool(outcome.reading("date", "timestamp"))
    lacking_all = _lacking(proposal, described, "is_closed")
    closed = [not lacks for lacks in lacking_all] if by_date else closed_rows(outcome, cells)
    if by_date:
        [lost] = next(mapped.others for mapped in proposal.columns if mapped.name == "is_closed")
        yield f"Deals are won where {outcome.name} is filled, and lost where {lost.name} is."
    elif not outcome.reading("boolean"):
        counts = Counter(cell for cell in cells if cell)
        for word, found in (("won", is_won), ("lost", is_lost)):
            listed = ", ".join(f"{value} ({count:,})" for value, count in counts.items() if found(value))
            yield f"Deals are {word} where {outcome.name} is {listed}." if listed else f"No deal is {word}."
    yield f"{counted(closed.count(False), 'deal')} {'is' if closed.count(False) == 1 else 'are'} open."
    for name, what in (("closed_at", "a date of closing"), ("amount", "an amount")):
        lacking = sum(
            is_closed and lacks for is_closed, lacks in zip(closed, _lacking(proposal, described, name), strict=True)
        )
        if lacking:
            yield f"{counted(lacking, 'closed deal')} without {what}."
    if lacking := sum(_lacking(proposal, described, "created_at")):
        yield f"{counted(lacking, 'deal')} without a date of creation."


def _is_true(cell: str | None) -> bool:
    return (cell or "").lower() in ("true", "t", "yes", "y", "1")


def _lacking(proposal: Proposal, described: Described, name: str) -> list[bool]:
    """For each row, whether the entity column is empty; if it is not mapped, that is said in another note."""
    mapped = next(one for one in proposal.columns if one.name == name)
    if mapped.column is None:
        return [False] * described.rows
    cells = [described.cells(column.name) for column in (mapped.column, *mapped.others)]
    return [not any(row) for row in zip(*cells, strict=True)]


def _on_customers(proposal: Proposal) -> Iterator[str]:
    person = proposal.source_of("email_key") if proposal.entity == "customers" else None
    if person and not person.is_personal:
        yield f"Customers with the same {person.name} are one person, and count as one customer."


def _on_ads(proposal: Proposal, described: Described) -> Iterator[str]:
    if proposal.entity != "ad_spend":
        return
    if proposal.source_of("campaign_id") is None:
        yield "No column names the campaign: the spend counts, and belongs to no campaign or channel."
    if proposal.summed:
        yield "Several rows are of one campaign and day: they are summed up to one row per campaign and day."
    start = proposal.source_of("spend_date")
    period = period_of(described, start) if start else None
    if start is None or period is None:
        return
    makes = f"{start.name} and {period.end} make a period"
    if proposal.rhythm:
        yield f"{makes}, which is a whole month: the spend is taken as monthly (rhythm), and KPIs wait for its month."
    else:
        yield (
            f"{makes}: {counted(period.longer, 'row')} span more than a day, and count on {start.name}. "
            "Have the report broken down by day."
        )


# What an entity should have, though its model builds without it: without a word, a KPI would lack it.
_EXPECTED = {
    "orders": {"order_id": "order number", "customer_id": "customer", "status": "status"},
    "refunds": {"order_id": "order", "amount": "amount"},
    "leads": {"source": "source"},
    "opportunities": {
        "amount": "amount",
        "created_at": "date of creation",
        "closed_at": "date of closing",
        "owner_id": "owner",
        "customer_id": "customer",
    },
    "ad_spend": {"clicks": "clicks", "impressions": "impressions"},
    "nps_responses": {"customer_id": "customer", "responded_at": "date of the answer"},
}


def _on_what_is_lacking(proposal: Proposal) -> Iterator[str]:
    expected = _EXPECTED.get(proposal.entity, {})
    if proposal.entity == "order_items":
        has_orders = any(mapped.name == "ordered_at" for mapped in proposal.columns)
        expected = {"product_id": "product", **(_EXPECTED["orders"] if has_orders else {})}
    lacking = [what for name, what in expected.items() if proposal.source_of(name) is None]
    if lacking:
        yield f"No column was found for: {', '.join(lacking)}. If one has it, map it: KPIs that need it lack the rows."


def _on_unused(proposal: Proposal, described: Described) -> Iterator[str]:
    """Amounts and dates that nothing uses: if the right one is among them, the draft has the wrong one or none."""
    used = {mapped.column.name for one in proposal.also for mapped in one.columns if mapped.column}
    unused = [column for column in proposal.unused if column.name not in used]
    amounts = [one.name for one in unused if one.reading("decimal") and _is_money(one, described)]
    dates = [one.name for one in unused if one.reading("date", "timestamp")]
    for what, names in (("Amounts", amounts), ("Dates", dates)):
        if names:
            yield f"{what} that are not used: {', '.join(names)}."


def _is_money(column: Column, described: Described) -> bool:
    """True unless the numbers are whole and without a currency, as counts and ids are."""
    reading = column.reading("decimal")
    cells = (cell for cell in described.cells(column.name) if cell)
    return bool(column.currency) or bool(reading and reading.decimal) or any("." in cell for cell in cells)


def _on_what_is_left_out(proposal: Proposal, described: Described) -> Iterator[str]:
    if proposal.tombstone:
        name = proposal.tombstone.column.name
        deleted = sum(proposal.tombstone.holds_for(cell) for cell in described.cells(name))
        yield f"{name}: {counted(deleted, 'row')} {'is' if deleted == 1 else 'are'} deleted."
    flag = proposal.source_of("is_deleted")
    if flag:
        deleted = sum(_is_true(cell) for cell in described.cells(flag.name))
        yield f"{flag.name}: {counted(deleted, 'row')} {'is' if deleted == 1 else 'are'} deleted."
    for other in proposal.also:
        refunded = other.source_of("amount")
        if other.entity == "refunds" and not proposal.where and refunded:
            yield f"{refunded.name} is what was given back of an order: it is drafted as a refund of the order."
        elif other.entity == "refunds":
            yield (
                f"Rows where {other.where} give money back: they are drafted as refunds, and the others as "
                f"{proposal.entity.replace('_', ' ')}."
            )
        else:
            yield (
                "Of a rep's team and manager, each delivery's state is kept: a deal counts in the team that its rep "
                "had when it was closed."
            )
