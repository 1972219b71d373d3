-- Refunds of orders that count, in the reporting currency at the rate of the refund's date; one row per refund.
-- A refund whose order was never delivered counts, too, under the customer, region, channel and rep that it names itself:
-- refunded money is not dropped silently.
with

refunds as (
    select
        *,
        {{ business_date('refunded_at') }} as refunded_on
    from {{ ref('int_refunds') }}
),

known_orders as (
    select order_id from {{ ref('int_orders') }}
),

counted_orders as (
    select * from {{ ref('int_counted_orders') }}
),

identities as (
    select * from {{ ref('int_customer_identities') }}
),

customers as (
    select * from {{ ref('int_customers') }}
),

sales_reps as (
    select * from {{ ref('int_sales_rep_versions') }}
),

rates as (
    select * from {{ ref('int_fx_rates_daily') }}
),

parameters as (
    select * from {{ ref('int_run_parameters') }}
),

-- A refund counts in the cuts of its order, so that both are in the same cut. A refund without an order has its own values.
placed as (
    select
        refunds.*,
        counted_orders.order_id is not null as has_order,
        case
            when counted_orders.order_id is not null then counted_orders.customer_id
            else coalesce(identities.person_id, refunds.customer_id)
        end as person_id,
        {%- for cut in ['channel', 'rep_id', 'region'] %}
        case when counted_orders.order_id is not null then counted_orders.{{ cut }} else refunds.{{ cut }} end
            as placed_{{ cut }},
        {%- endfor %}
        coalesce(counted_orders.is_first_order, false) as is_first_order
    from refunds
    cross join parameters
    left join known_orders
        on refunds.order_id = known_orders.order_id
    left join counted_orders
        on refunds.order_id = counted_orders.order_id
    left join identities
        on refunds.customer_id = identities.customer_id
    where
        refunds.refunded_on <= parameters.as_of_date
        and (counted_orders.order_id is not null or known_orders.order_id is null)
)

select
    placed.refund_id,
    placed.order_id,
    placed.order_item_id,
    placed.person_id as customer_id,
    placed.refunded_on,
    placed.placed_channel as channel,
    placed.placed_rep_id as rep_id,
    sales_reps.team,
    sales_reps.office,
    placed.placed_region as region,
    customers.segment,
    placed.is_first_order,
    placed.has_order,
    placed.currency_code,
    rates.rate as fx_rate,
    {{ in_reporting_currency('placed.amount', 'rates.rate') }} as refund_amount,
    placed.reason,
    placed._source_file,
    placed._row_number
from placed
left join customers
    on placed.person_id = customers.customer_id
left join sales_reps
    on
        placed.placed_rep_id = sales_reps.rep_id
        and placed.refunded_on >= sales_reps.valid_from
        and placed.refunded_on < sales_reps.valid_until
left join rates
    on
        placed.refunded_on = rates.date_day
        and placed.currency_code = rates.currency_code
