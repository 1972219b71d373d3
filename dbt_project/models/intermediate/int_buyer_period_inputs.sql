-- What the numbers of customers who ordered are computed from; one row per grain, period and day that it counts, with a checksum
-- of who ordered what on the day.
-- The linter misjudges the layout of loops over what a macro returns.
-- noqa: disable=LT02
{{ config(materialized='view') }}
with

purchases as (
    select
        ordered_on,
        customer_id,
        {%- for column in order_cuts().values() %}
        {{ column }},
        {%- endfor %}
        {%- for column in product_cuts().values() %}
        cast(null as string) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('int_counted_orders') }}
    where customer_id is not null
    union all
    select
        order_items.ordered_on,
        order_items.customer_id,
        {%- for column in order_cuts().values() %}
        cast(null as string) as {{ column }},
        {%- endfor %}
        order_items.product_id,
        products.category
    from {{ ref('fct_order_items') }} as order_items
    left join {{ ref('dim_product') }} as products
        on order_items.product_id = products.product_id
    where order_items.customer_id is not null
),

days as (
    select
        ordered_on,
        sum({{ row_hash('purchases') }}) as fingerprint
    from purchases
    group by ordered_on
)

select
    period_days.grain,
    period_days.period_start,
    period_days.date_day,
    days.fingerprint
from {{ ref('int_period_days') }} as period_days
left join days
    on period_days.date_day = days.ordered_on
