-- The touches of a customer before each order that counts; one row per order and touch, and one per order without touches.
{{ config(materialized='view') }}
with

sales as (
    select
        order_id,
        cast(sum(gross_amount - discount_amount) as decimal(18, 2)) as sales_amount
    from {{ ref('fct_order_items') }}
    group by 1
),

touches as (
    select
        touchpoints.touchpoint_id,
        coalesce(identities.person_id, touchpoints.customer_id) as customer_id,
        touchpoints.campaign_id,
        coalesce(campaigns.channel, touchpoints.channel, 'unassigned') as channel,
        coalesce(campaigns.is_paid, false) as is_paid,
        touchpoints.touched_at
    from {{ ref('int_touchpoints') }} as touchpoints
    left join {{ ref('int_customer_identities') }} as identities
        on touchpoints.customer_id = identities.customer_id
    left join {{ ref('dim_campaign') }} as campaigns
        on touchpoints.campaign_id = campaigns.campaign_id
    where touchpoints.customer_id is not null
)

select
    orders.order_id,
    orders.customer_id,
    orders.ordered_on,
    orders.is_first_order,
    touches.touchpoint_id,
    touches.campaign_id,
    coalesce(touches.channel, 'unattributed') as channel,
    coalesce(touches.is_paid, false) as is_paid,
    touches.touched_at,
    coalesce(sales.sales_amount, 0) as sales_amount
from {{ ref('int_counted_orders') }} as orders
left join sales
    on orders.order_id = sales.order_id
left join touches
    on
        orders.customer_id = touches.customer_id
        and orders.ordered_at >= touches.touched_at
