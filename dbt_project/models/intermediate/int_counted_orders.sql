-- The orders that count, with the date and cuts they count under; one row per order.
-- An order counts unless it is deleted, has an excluded status, or lies after the as-of date.
with

orders as (
    select
        *,
        {{ business_date('ordered_at') }} as ordered_on
    from {{ ref('int_orders') }}
),

customers as (
    select * from {{ ref('int_customers') }}
),

parameters as (
    select * from {{ ref('int_run_parameters') }}
),

counted as (
    select orders.*
    from orders
    cross join parameters
    where
        not coalesce(orders.is_deleted, false)
        and coalesce(orders.status, '') not in ({{ text_list(var('excluded_order_statuses')) }})
        and orders.ordered_on <= parameters.as_of_date
)

select
    counted.order_id,
    counted.customer_id,
    counted.ordered_on,
    counted.currency_code,
    counted.channel,
    counted.rep_id,
    counted.region,
    customers.segment,
    row_number() over (partition by counted.customer_id order by counted.ordered_at, counted.order_id) = 1
        as is_first_order,
    counted._source_file,
    counted._row_number,
    counted._delivered_on
from counted
left join customers
    on counted.customer_id = customers.customer_id
