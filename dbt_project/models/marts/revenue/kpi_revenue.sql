-- Revenue and its components per period in the reporting currency; one row per grain, period and company, channel, rep, team,
-- office, region or segment. There are offices only if some rep has one.
-- An entity has a row for every period from its first one to that of the as-of date, so that no period is skipped.
{% set cuts = {
    'channel': 'channel', 'rep': 'rep_id', 'team': 'team', 'office': 'office', 'region': 'region', 'segment': 'segment',
} %}
{% set sums = [
    'orders', 'gross_amount', 'discount_amount', 'refund_amount', 'net_amount', 'cost_amount', 'items_without_cost',
    'new_customer_net_amount',
] %}
-- sqlfluff misjudges the layout of loops within a call.
-- noqa: disable=LT02
with

daily as (
    select * from {{ ref('kpi_revenue__daily') }}
),

per_day as (
    {% call by_cuts('daily', ['business_date'], cuts, optional=['office']) %}
    {%- for column in sums %}
        sum({{ column }}) as {{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
    {% endcall %}
),

days_in_periods as (
    {{ in_periods('per_day', 'business_date') }}
),

per_entity as (
    select
        grain,
        period_start,
        entity_type,
        entity_id,
        {%- for column in sums %}
        sum({{ column }}) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from days_in_periods
    group by 1, 2, 3, 4
),

orders as (
    select * from {{ ref('int_counted_orders') }}
),

orders_in_periods as (
    {{ in_periods('orders', 'ordered_on') }}
),

-- Who ordered on two days of a period is one customer of it, so days do not add up. Orders without a customer are nobody's.
buyers as (
    {% call by_cuts('orders_in_periods', ['grain', 'period_start'], cuts) %}
        count(distinct customer_id) as customers,
        count(customer_id) as customer_orders
    {% endcall %}
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
    {{ safe_divide('per_entity.gross_amount - per_entity.discount_amount', 'per_entity.orders') }} as average_order_value,
    cast(coalesce(buyers.customers, 0) as bigint) as customers,
    cast(coalesce(buyers.customer_orders, 0) as bigint) as customer_orders,
    {{ safe_divide('buyers.customer_orders', 'buyers.customers') }} as orders_per_customer,
    spine.is_partial_period
from spine
left join per_entity using (grain, period_start, entity_type, entity_id)
left join buyers using (grain, period_start, entity_type, entity_id)
