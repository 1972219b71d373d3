-- A failure means that a model of attribution hands out more or less than an order brought: a touch was counted twice, or lost.
{{ config(meta={'dagster': {'ref': {'name': 'fct_attribution'}}}) }}
with

attributed as (
    select
        order_id,
        sum(first_amount) as first_amount,
        sum(last_amount) as last_amount,
        sum(linear_amount) as linear_amount,
        sum(position_amount) as position_amount,
        sum(time_decay_amount) as time_decay_amount
    from {{ ref('fct_attribution') }}
    group by 1
),

sales as (
    select
        order_id,
        sum(gross_amount - discount_amount) as sales_amount
    from {{ ref('fct_order_items') }}
    group by 1
)

select
    attributed.order_id,
    sales.sales_amount
from attributed
left join sales
    on attributed.order_id = sales.order_id
where
    attributed.first_amount <> coalesce(sales.sales_amount, 0)
    or attributed.last_amount <> coalesce(sales.sales_amount, 0)
    or attributed.linear_amount <> coalesce(sales.sales_amount, 0)
    or attributed.position_amount <> coalesce(sales.sales_amount, 0)
    or attributed.time_decay_amount <> coalesce(sales.sales_amount, 0)
