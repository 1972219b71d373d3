"""Finds the delivered rows because of which rows that are unchanged themselves count otherwise than before.

Belongs here: which rows the rows of each fact depend on, and the newest delivery that changed one of them. Does not
belong here: which rows count otherwise (`restatements.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb

from pipelines.publish.changed_rows import SIDES, of_owners
from pipelines.sql import quote_text

_NEW = "source_file not in (select source_file from previous.meta.delivered_files)"
# The orders of rows that the publication before had not, before they are joined with all orders.
_NEW_ROWS = (
    "select * from (select order_id, _source_file as source_file from warehouse.intermediate.int_{table}) "
    f"where {_NEW}"
)
# Order items of both publications whose rate has changed. The rows to explain are of changed owners, so those of others
# need not be compared.
_OTHER_RATE = f"""
    select new.*
    from {of_owners("fct_order_items", "after")} as new
    inner join {of_owners("fct_order_items", "before")} as old using (order_id, order_item_id)
    where new.fx_rate is distinct from old.fx_rate
"""


@dataclass(frozen=True)
class _Link:
    """Rows that rows of a fact depend on.

    Attributes:
        kind: which rows, a key of `_CHANGED`.
        id: SQL for what identifies them, over columns of the fact.
        decides: the columns of the fact that follow from them; if there are none, they decide by themselves, without a
            trace in the fact, which rows count: a customer's late order makes an earlier one a first purchase.
    """

    kind: str
    id: str
    decides: tuple[str, ...] = ()

    @property
    def cause(self) -> str:
        """What `meta.restatement_causes` calls it."""
        return "exchange rate" if self.kind.startswith("rate") else "related rows"


# Queries for rows that this publication has and the one before had not: what identifies them, file and row.
_CHANGED = {
    "customer": """
        select unnest([customers.customer_id, person_id]) as id, customers._source_file as source_file
        from warehouse.intermediate.int_customers as customers
        inner join warehouse.intermediate.int_customer_identities as identities using (customer_id)
        left join previous.marts.dim_customer as old using (customer_id)
        where person_id <> customer_id or old.customer_id is null or customers.segment is distinct from old.segment
            or customers.region is distinct from old.region
    """,
    "rate": """
        select unnest([from_currency, 'any']) as id, _source_file as source_file
        from warehouse.intermediate.int_fx_rates
    """,
    "rate of a customer": f"""
        select customer_id as id, source_file
        from (select distinct customer_id, currency_code from ({_OTHER_RATE}))
        inner join (
            select distinct from_currency as currency_code, _source_file as source_file
            from warehouse.intermediate.int_fx_rates
        ) using (currency_code)
    """,
    "rep": "select rep_id as id, _source_file as source_file from candidate.marts.dim_sales_rep",
    "product": """
        select product_id as id, new._source_file as source_file
        from candidate.marts.dim_product as new
        left join previous.marts.dim_product as old using (product_id)
        where new.category is distinct from old.category
    """,
    # Deals name their product by its number or by its name.
    "product of a deal": """
        select
            unnest([lower(new.product_id), lower(new.product_name), lower(old.product_name)]) as id,
            new._source_file as source_file
        from candidate.marts.dim_product as new
        left join previous.marts.dim_product as old using (product_id)
        where new.category is distinct from old.category or new.product_name is distinct from old.product_name
    """,
    "campaign": """
        select campaign_id as id, new._source_file as source_file
        from candidate.marts.dim_campaign as new
        left join previous.marts.dim_campaign as old using (campaign_id)
        where new.channel is distinct from old.channel or new.is_paid is distinct from old.is_paid
    """,
    # A customer's orders before their lines and refunds.
    **{
        f"{table} of a customer": f"""
            select coalesce(person_id, customer_id) as id, source_file
            from (
                select orders.customer_id, source_file
                from ({_NEW_ROWS.format(table=table)}) as new
                inner join warehouse.intermediate.int_orders as orders using (order_id)
                union all
                select old.customer_id, source_file
                from ({_NEW_ROWS.format(table=table)}) as new
                inner join previous.marts.fct_orders as old using (order_id)
            )
            left join warehouse.intermediate.int_customer_identities using (customer_id)
        """
        for table in ("orders", "order_items", "refunds")
    },
    "line of an order": """
        select order_id as id, _source_file as source_file from warehouse.intermediate.int_order_items
    """,
    "rate of an order": f"""
        select order_id as id, rates._source_file as source_file
        from ({_OTHER_RATE}) as new
        inner join warehouse.intermediate.int_fx_rates as rates on new.currency_code = rates.from_currency
    """,
    "touch of a customer": """
        select coalesce(person_id, customer_id) as id, _source_file as source_file
        from warehouse.intermediate.int_touchpoints
        left join warehouse.intermediate.int_customer_identities using (customer_id)
    """,
    "lead of a person": """
        select person_lead_id as id, _source_file as source_file
        from warehouse.intermediate.int_leads
        inner join warehouse.intermediate.int_lead_identities using (lead_id)
    """,
    "deal": "select opportunity_id as id, _source_file as source_file from warehouse.intermediate.int_opportunities",
    "stage of a deal": """
        select opportunity_id as id, _source_file as source_file
        from warehouse.intermediate.int_opportunity_stage_history
    """,
    "invitation": """
        select invitation_id as id, _source_file as source_file from warehouse.intermediate.int_nps_invitations
    """,
    "answer": "select invitation_id as id, _source_file as source_file from warehouse.intermediate.int_nps_responses",
    "answer of a person": """
        select respondent_key as id, _source_file as source_file from candidate.marts.fct_nps_responses
    """,
}

_SALES = ("orders of a customer", "order_items of a customer", "refunds of a customer")
_RATE = _Link("rate", "currency_code", ("fx_rate",))
_OF_PURCHASES = (
    _Link("customer", "customer_id", ("segment", "customer_id")),
    _Link("rep", "rep_id", ("team", "office")),
    *(_Link(kind, "customer_id", ("is_first_order",)) for kind in _SALES),
    _Link("customer", "customer_id", ("is_first_order",)),
)
_OF_RETURNING_CUSTOMERS = (
    *(_Link(kind, "customer_id") for kind in _SALES),
    _Link("customer", "customer_id"),
    _Link("rate of a customer", "customer_id"),
)
_PRODUCTS = "unnest((select list(product_id) from marts.fct_order_items as lines where lines.order_id = fact.order_id))"
_CURRENCY_OF_DEAL = (
    "(select max(currency_code) from marts.fct_opportunities as deals where deals.opportunity_id = fact.opportunity_id)"
)

# What rows of a fact depend on besides their own delivered rows, and besides the order that they belong to. The first
# link with a changed row counts.
_LINKS: dict[str, Sequence[_Link]] = {
    "fct_orders": (
        *_OF_PURCHASES,
        *_OF_RETURNING_CUSTOMERS,
        _Link("line of an order", "order_id"),
        _Link("product", _PRODUCTS),
    ),
    "fct_order_items": (_RATE, *_OF_PURCHASES, _Link("product", "product_id"), *_OF_RETURNING_CUSTOMERS),
    "fct_refunds": (
        _RATE,
        *_OF_PURCHASES,
        _Link("product", _PRODUCTS),
        _Link("line of an order", "order_id"),
        *_OF_RETURNING_CUSTOMERS,
    ),
    "fct_attribution": (
        _Link("campaign", "campaign_id", ("channel", "is_paid")),
        _Link("touch of a customer", "customer_id", ("touches", "touchpoint_id", "channel", "is_paid")),
        *(_Link(kind, "customer_id", ("is_first_order",)) for kind in _SALES),
        *(_Link(kind, "order_id", ("last_amount",)) for kind in ("line of an order", "rate of an order")),
        _Link("customer", "customer_id"),
    ),
    "fct_leads": (
        _Link("rep", "sdr_id", ("created_team", "converted_team", "created_office", "converted_office")),
        _Link("lead of a person", "lead_id", ("converted_on", "sql_on", "days_to_convert", "hours_to_first_touch")),
    ),
    "fct_opportunities": (
        _RATE,
        _Link("customer", "customer_id", ("segment", "region")),
        _Link("stage of a deal", "opportunity_id", ("owner_id",)),
        _Link("rep", "owner_id", ("created_team", "closed_team", "created_office", "closed_office")),
        _Link("product of a deal", "lower(trim(product))", ("product_category",)),
    ),
    "fct_opportunity_stage_events": (
        _Link("deal", "opportunity_id"),
        _Link("stage of a deal", "opportunity_id"),
        _Link("rate", _CURRENCY_OF_DEAL, ("amount",)),
        _Link("rep", "owner_id"),
    ),
    "fct_quota_daily": (_Link("rate", "'any'", ("target_value",)),),
    "fct_marketing_spend": (_RATE, _Link("campaign", "campaign_id", ("channel", "is_paid"))),
    "fct_sales_marketing_costs": (_RATE,),
    "fct_nps_responses": (
        _Link("customer", "customer_id", ("segment", "region", "customer_id")),
        _Link("invitation", "invitation_id", ("channel", "customer_id")),
        _Link("answer of a person", "respondent_key"),
    ),
    "fct_nps_invitations": (
        _Link("answer", "invitation_id", ("is_answered",)),
    ),
}  # fmt: skip
# Facts without a delivered row of their own: their origin is that of their order.
_WITHOUT_ORIGIN = ("fct_attribution",)
_KEY = {
    "fct_attribution": "_source_file, _row_number, touch_number",
    "fct_quota_daily": "_source_file, _row_number, date_day",
}


def find_related_rows(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the table `related`: which delivery makes rows count otherwise that are unchanged themselves.

    The rows are in `unexplained`: side (before or after), fact, source_file, row_number. The result has the same
    columns, and `cause`, `delivery` (source, table_name and delivered_on) and `is_decided`, which is false if the row
    in the fact looks as before. The candidate, the publication before and the warehouse are attached, and
    `find_changed_rows` has collected whose rows have changed.
    """
    connection.execute(
        """
        create or replace temp table changed (
            kind varchar, id varchar, delivery struct(source varchar, table_name varchar, delivered_on date)
        );
        create or replace temp table links_found (
            side varchar, fact varchar, source_file varchar, row_number bigint, place integer, cause varchar,
            is_decided boolean, delivery struct(source varchar, table_name varchar, delivered_on date)
        )
        """
    )
    known: set[str] = set()
    for table in _LINKS:
        if not _collect_rows(connection, table):
            continue
        for place, link in enumerate(_LINKS[table]):
            if link.kind not in known:
                _collect_changed(connection, link.kind)
                known.add(link.kind)
            for query in _of_link(place, link):
                connection.execute(f"insert into links_found {query}")
    connection.execute(
        """
        create or replace temp table related as
        select
            side, fact, source_file, row_number,
            arg_min(cause, place) as cause,
            arg_min(is_decided, place) as is_decided,
            arg_min(delivery, (place, -epoch(delivery.delivered_on))) as delivery
        from links_found
        group by all
        """
    )


def _collect_rows(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Collect the unexplained rows of a fact in `rows_of_fact`, with a flag per column that may differ."""
    flags = ", ".join(
        f"fact.{column} is distinct from other.{column} as other_{column}"
        for column in dict.fromkeys(column for link in _LINKS[table] for column in link.decides)
    )
    # Rows of any fact are found by their origin, but those without one of their own only where they are.
    others = f"fact not in ({', '.join(map(quote_text, _WITHOUT_ORIGIN))})"
    of_fact = f"fact = '{table}'" if table in _WITHOUT_ORIGIN else others
    queries = [
        f"select '{side}' as side, unexplained.fact as of_fact, fact.*, {flags} "
        f"from {_with_origin(table, side)} as fact inner join unexplained "
        f"on side = '{side}' and source_file = fact._source_file and row_number = fact._row_number and {of_fact} "
        f"left join {_with_origin(table, other)} as other using ({_KEY.get(table, '_source_file, _row_number')})"
        for side, other in (SIDES, SIDES[::-1])
    ]
    connection.execute(f"create or replace temp table rows_of_fact as {' union all by name '.join(queries)}")
    [[rows]] = connection.execute("select count(*) from rows_of_fact").fetchall()
    return bool(rows)


def _with_origin(table: str, side: str) -> str:
    rows = of_owners(table, side)
    if table not in _WITHOUT_ORIGIN:
        return rows
    orders = of_owners("fct_orders", side)
    return f"(select touches.*, _source_file, _row_number from {rows} as touches inner join {orders} using (order_id))"


def _collect_changed(connection: duckdb.DuckDBPyConnection, kind: str) -> None:
    connection.execute(
        f"""
        insert into changed
        select {quote_text(kind)}, id, arg_max(row(source, table_name, delivered_on), delivered_on)
        from ({_CHANGED[kind]}) as rows_of_kind
        inner join candidate.meta.delivered_files using (source_file)
        where {_NEW}
        group by id
        """
    )


def _of_link(place: int, link: _Link) -> Iterator[str]:
    """Queries for the rows of `rows_of_fact` that depend on a changed row by this link, per side."""
    for side, database in (("before", "previous"), ("after", "candidate")):
        conditions = [f"side = '{side}'"]
        if link.decides:
            conditions.append(f"({' or '.join(f'other_{column}' for column in link.decides)})")
        depending = f"select *, {link.id} as related_id from rows_of_fact as fact where {' and '.join(conditions)}"
        yield (
            f"select side, of_fact, _source_file, _row_number, {place}, {quote_text(link.cause)}, "
            f"{bool(link.decides)}, delivery "
            f"from ({depending.replace(' marts.', f' {database}.marts.')}) as depending "
            f"inner join changed on kind = {quote_text(link.kind)} and id = related_id"
        )
