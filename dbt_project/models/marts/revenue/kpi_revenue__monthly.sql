-- Revenue and its components per month in the reporting currency; one row per month and company, channel, rep, team,
-- region or segment.
-- An entity has a row for every month from its first month to that of the as-of date, so that no month is skipped.
{% set cuts = {
    'company': "'company'", 'channel': 'channel', 'rep': 'rep_id', 'team': 'team', 'region': 'region', 'segment': 'segment',
} %}
with

daily as (
    select
        *,
        {{ period_start('month', 'business_date') }} as period_month
    from {{ ref('kpi_revenue__daily') }}
),

per_entity as (
    {%- for entity_type, entity_id in cuts.items() %}
    select
        period_month,
        '{{ entity_type }}' as entity_type,
        {{ entity_id }} as entity_id,
        sum(orders) as orders,
        sum(gross_amount) as gross_amount,
        sum(discount_amount) as discount_amount,
        sum(refund_amount) as refund_amount,
        sum(net_amount) as net_amount,
        sum(cost_amount) as cost_amount,
        sum(items_without_cost) as items_without_cost,
        sum(new_customer_net_amount) as new_customer_net_amount
    from daily
    group by 1, 2, 3
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

spine as (
    {{ entity_months('per_entity') }}
)

select
    spine.period_month,
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
    {{ safe_divide('per_entity.gross_amount - per_entity.discount_amount', 'per_entity.orders') }} as average_order_value,
    spine.is_partial_period
from spine
left join per_entity using (period_month, entity_type, entity_id)
