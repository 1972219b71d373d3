-- Revenue and its components per day in the reporting currency; one row per day, channel, rep, team, office, region and
-- segment.
-- net = gross − discounts − refunds. A refund counts on its own date, and order lines count on the date of the order.
{% set attributes = ['channel', 'rep_id', 'team', 'office', 'region', 'segment'] %}
{% set parts = {
    'orders': ['orders', 'customer_orders', 'order_amount_squares'],
    'sales': ['gross_amount', 'discount_amount', 'cost_amount', 'items_without_cost', 'new_customer_amount'],
    'refunds': ['refund_amount', 'new_customer_amount'],
} %}
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
        {%- for attribute in attributes %}
        counted_orders.{{ attribute }},
        {%- endfor %}
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
        {{ attributes | join(', ') }},
        sum(gross_amount) as gross_amount,
        sum(discount_amount) as discount_amount,
        sum(cost_amount) as cost_amount,
        sum(case when cost_amount is null then 1 else 0 end) as items_without_cost,
        sum(case when is_first_order then gross_amount - discount_amount else 0 end) as new_customer_amount
    from {{ ref('fct_order_items') }}
    group by 1, 2, 3, 4, 5, 6, 7
),

refunds as (
    select
        refunded_on as business_date,
        {{ attributes | join(', ') }},
        sum(refund_amount) as refund_amount,
        -sum(case when is_first_order then refund_amount else 0 end) as new_customer_amount
    from {{ ref('fct_refunds') }}
    group by 1, 2, 3, 4, 5, 6, 7
),

movements as (
    {%- for part, columns in parts.items() %}
    select
        {%- for column in parts.values() | sum(start=[]) | unique %}
        {{ column if column in columns else '0' }} as {{ column }},
        {%- endfor %}
        {{ attributes | join(', ') }},
        business_date
    from {{ part }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select
    business_date,
    {%- for attribute in attributes %}
    coalesce({{ attribute }}, 'unassigned') as {{ attribute }},
    {%- endfor %}
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
