-- Revenue and its components per day in the reporting currency; one row per day, channel, rep, team, office, region and
-- segment.
-- net = gross − discounts − refunds. A refund counts on its own date, and order lines count on the date of the order.
with

order_amounts as (
    select
        order_id,
        cast(sum(gross_amount - discount_amount) as decimal(18, 2)) as amount
    from {{ ref('fct_order_items') }}
    group by 1
),

orders as (
    select
        counted_orders.ordered_on as business_date,
        counted_orders.channel,
        counted_orders.rep_id,
        counted_orders.team,
        counted_orders.office,
        counted_orders.region,
        counted_orders.segment,
        count(*) as orders,
        count(counted_orders.customer_id) as customer_orders,
        sum(order_amounts.amount * order_amounts.amount) as order_amount_squares
    from {{ ref('int_counted_orders') }} as counted_orders
    left join order_amounts
        on counted_orders.order_id = order_amounts.order_id
    group by 1, 2, 3, 4, 5, 6, 7
),

sales as (
    select
        ordered_on as business_date,
        channel,
        rep_id,
        team,
        office,
        region,
        segment,
        sum(gross_amount) as gross_amount,
        sum(discount_amount) as discount_amount,
        sum(cost_amount) as cost_amount,
        sum(case when cost_amount is null then 1 else 0 end) as items_without_cost,
        sum(case when is_first_order then gross_amount - discount_amount else 0 end) as first_order_amount
    from {{ ref('fct_order_items') }}
    group by 1, 2, 3, 4, 5, 6, 7
),

refunds as (
    select
        refunded_on as business_date,
        channel,
        rep_id,
        team,
        office,
        region,
        segment,
        sum(refund_amount) as refund_amount,
        sum(case when is_first_order then refund_amount else 0 end) as first_order_refund_amount
    from {{ ref('fct_refunds') }}
    group by 1, 2, 3, 4, 5, 6, 7
),

movements as (
    select
        business_date, channel, rep_id, team, office, region, segment, orders, customer_orders, order_amount_squares,
        0 as gross_amount, 0 as discount_amount, 0 as refund_amount, 0 as cost_amount, 0 as items_without_cost,
        0 as new_customer_amount
    from orders
    union all
    select
        business_date, channel, rep_id, team, office, region, segment, 0 as orders, 0 as customer_orders,
        0 as order_amount_squares, gross_amount, discount_amount, 0 as refund_amount, cost_amount, items_without_cost,
        first_order_amount as new_customer_amount
    from sales
    union all
    select
        business_date, channel, rep_id, team, office, region, segment, 0 as orders, 0 as customer_orders,
        0 as order_amount_squares, 0 as gross_amount, 0 as discount_amount, refund_amount, 0 as cost_amount,
        0 as items_without_cost, -first_order_refund_amount as new_customer_amount
    from refunds
)

select
    business_date,
    coalesce(channel, 'unassigned') as channel,
    coalesce(rep_id, 'unassigned') as rep_id,
    coalesce(team, 'unassigned') as team,
    coalesce(office, 'unassigned') as office,
    coalesce(region, 'unassigned') as region,
    coalesce(segment, 'unassigned') as segment,
    cast(sum(orders) as bigint) as orders,
    cast(sum(customer_orders) as bigint) as customer_orders,
    cast(coalesce(sum(order_amount_squares), 0) as decimal(38, 4)) as order_amount_squares,
    cast(sum(gross_amount) as decimal(18, 2)) as gross_amount,
    cast(sum(discount_amount) as decimal(18, 2)) as discount_amount,
    cast(sum(refund_amount) as decimal(18, 2)) as refund_amount,
    cast(sum(gross_amount) - sum(discount_amount) - sum(refund_amount) as decimal(18, 2)) as net_amount,
    cast(coalesce(sum(cost_amount), 0) as decimal(18, 2)) as cost_amount,
    cast(sum(items_without_cost) as bigint) as items_without_cost,
    cast(sum(new_customer_amount) as decimal(18, 2)) as new_customer_net_amount
from movements
group by 1, 2, 3, 4, 5, 6, 7
