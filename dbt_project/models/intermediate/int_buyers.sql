-- Customers who ordered in each period; one row per grain, period and company, channel, rep, team, office, region, segment,
-- product or category of products. Whoever ordered on two days of a period is one customer of it, so days do not add up. Orders
-- without a customer are nobody's.
-- The linter misjudges the layout of loops within a call.
-- noqa: disable=LT02
{{ incremental_by_fingerprint(['grain', 'period_start'], inputs='int_buyer_period_inputs') }}
with

period_days as (
    select * from {{ ref('int_period_days') }}
    where {{ is_restated(['grain', 'period_start']) }}
),

orders as (
    select
        orders.*,
        period_days.grain,
        period_days.period_start
    from {{ ref('int_counted_orders') }} as orders
    inner join period_days
        on orders.ordered_on = period_days.date_day
    where orders.customer_id is not null
),

lines as (
    select
        order_items.customer_id,
        order_items.product_id,
        products.category,
        period_days.grain,
        period_days.period_start
    from {{ ref('fct_order_items') }} as order_items
    inner join period_days
        on order_items.ordered_on = period_days.date_day
    left join {{ ref('dim_product') }} as products
        on order_items.product_id = products.product_id
    where order_items.customer_id is not null
),

by_order as (
    {% call by_cuts('orders', ['grain', 'period_start'], order_cuts()) %}
        count(distinct customer_id) as customers
    {% endcall %}
),

by_product as (
    {% call by_cuts('lines', ['grain', 'period_start'], product_cuts(), company=false) %}
        count(distinct customer_id) as customers
    {% endcall %}
)

select * from by_order
union all
select * from by_product
