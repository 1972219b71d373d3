-- Revenue and its components per period in the reporting currency; one row per grain, period and company, channel, rep, team,
-- office, region, segment, product or category of products. There are offices only if some rep has one, products and categories
-- only if some order line has one.
-- An entity has a row for every period from its first one to that of the as-of date, so that no period is skipped.
{% set sums = [
    'orders', 'customer_orders', 'gross_amount', 'discount_amount', 'refund_amount', 'net_amount', 'cost_amount',
    'items_without_cost', 'new_customer_net_amount', 'order_amount_squares',
] %}
-- The linter misjudges the layout of loops within a call.
-- noqa: disable=LT02
with

daily as (
    select * from {{ ref('kpi_revenue__daily') }}
),

lines as (
    select
        order_items.*,
        products.category
    from {{ ref('fct_order_items') }} as order_items
    left join {{ ref('dim_product') }} as products
        on order_items.product_id = products.product_id
),

-- The product or category of all lines of an order, if it is the same.
products_of_orders as (
    select
        order_id,
        {%- for column in product_cuts().values() %}
        case when count({{ column }}) = count(*) and count(distinct {{ column }}) = 1 then max({{ column }}) end as {{ column }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from lines
    where order_id in (select order_id from {{ ref('fct_refunds') }})
    group by 1
),

-- A refund is of the product of its line, or of the product of its whole order. Of an order with several products, nobody knows.
refunds as (
    select
        refunds.*,
        {%- for column in product_cuts().values() %}
        case when lines.order_item_id is not null then lines.{{ column }} else products_of_orders.{{ column }} end as {{ column }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('fct_refunds') }} as refunds
    left join lines
        on refunds.order_item_id = lines.order_item_id
    left join products_of_orders
        on refunds.order_id = products_of_orders.order_id
),

sold_and_refunded as (
    select
        ordered_on as business_date,
        product_id,
        category,
        order_id,
        case when customer_id is not null then order_id end as customer_order_id,
        is_first_order,
        gross_amount,
        discount_amount,
        0 as refund_amount,
        cost_amount,
        case when cost_amount is null then 1 else 0 end as is_without_cost
    from lines
    union all
    select
        refunded_on as business_date,
        product_id,
        category,
        cast(null as string) as order_id,
        cast(null as string) as customer_order_id,
        is_first_order,
        0 as gross_amount,
        0 as discount_amount,
        refund_amount,
        0 as cost_amount,
        0 as is_without_cost
    from refunds
),

per_day as (
    {% call by_cuts('daily', ['business_date'], order_cuts(), optional=['office']) %}
    {%- for column in sums %}
        sum({{ column }}) as {{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
    {% endcall %}
),

-- An order counts for each of its products, so the orders of products do not add up.
per_day_and_product as (
    {% call by_cuts('sold_and_refunded', ['business_date'], product_cuts(), optional=product_cuts(), company=false) %}
        count(distinct order_id) as orders,
        count(distinct customer_order_id) as customer_orders,
        sum(gross_amount) as gross_amount,
        sum(discount_amount) as discount_amount,
        sum(refund_amount) as refund_amount,
        sum(gross_amount - discount_amount - refund_amount) as net_amount,
        sum(cost_amount) as cost_amount,
        sum(is_without_cost) as items_without_cost,
        sum(case when is_first_order then gross_amount - discount_amount - refund_amount else 0 end) as new_customer_net_amount,
        cast(null as decimal(38, 4)) as order_amount_squares
    {% endcall %}
),

days as (
    select * from per_day
    union all
    select * from per_day_and_product
),

per_entity as (
    {{ sums_in_periods('days', 'business_date', sums) }}
),

buyers as (
    select * from {{ ref('int_buyers') }}
),

spine as (
    {{ entity_periods('per_entity') }}
)

select
    spine.grain,
    spine.period_start,
    spine.entity_type,
    spine.entity_id,
    cast(coalesce(per_entity.orders, 0) as bigint) as orders,
    cast(coalesce(per_entity.gross_amount, 0) as decimal(18, 2)) as gross_amount,
    cast(coalesce(per_entity.discount_amount, 0) as decimal(18, 2)) as discount_amount,
    cast(coalesce(per_entity.refund_amount, 0) as decimal(18, 2)) as refund_amount,
    cast(coalesce(per_entity.net_amount, 0) as decimal(18, 2)) as net_amount,
    cast(coalesce(per_entity.cost_amount, 0) as decimal(18, 2)) as cost_amount,
    -- If the cost of only some items were known, the margin would be too high.
    case
        when coalesce(per_entity.items_without_cost, 0) = 0
            then cast(coalesce(per_entity.net_amount - per_entity.cost_amount, 0) as decimal(18, 2))
    end as margin_amount,
    cast(coalesce(per_entity.new_customer_net_amount, 0) as decimal(18, 2)) as new_customer_net_amount,
    cast(coalesce(per_entity.net_amount - per_entity.new_customer_net_amount, 0) as decimal(18, 2))
        as repeat_net_amount,
    -- What an order has of one product is not the value of the order.
    {%- set amount, squares = '(per_entity.gross_amount - per_entity.discount_amount)', 'per_entity.order_amount_squares' %}
    case
        when spine.entity_type not in ({{ text_list(product_cuts()) }}) then {{ safe_divide(amount, 'per_entity.orders') }}
    end as average_order_value,
    {{ mean_bound('per_entity.orders', amount, squares, '-') }} as average_order_value_low,
    {{ mean_bound('per_entity.orders', amount, squares, '+') }} as average_order_value_high,
    cast(coalesce(buyers.customers, 0) as bigint) as customers,
    cast(coalesce(per_entity.customer_orders, 0) as bigint) as customer_orders,
    {{ safe_divide('per_entity.customer_orders', 'buyers.customers') }} as orders_per_customer,
    spine.is_partial_period
from spine
left join per_entity using (grain, period_start, entity_type, entity_id)
left join buyers using (grain, period_start, entity_type, entity_id)
