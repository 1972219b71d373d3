-- Each customer's activity in each month; one row per customer and month with an order, net revenue in it, the month before or
-- the month a year before, or activity at its start or end.
{{ incremental_by_fingerprint('period_month', inputs='int_customer_month_inputs') }}
with

months as (
    select
        *,
        period_start as period_month
    from {{ ref('int_periods') }}
    where grain = 'month'
),

periods as (
    select * from months
    where {{ is_restated('period_month') }}
),

bought as (
    {{ bought_in('periods') }}
),

active as (
    {{ active_in('periods') }}
)

select
    customer_id,
    period_start as period_month,
    {%- for column in ['cohort_month', 'segment', 'region', 'first_channel'] %}
    coalesce(bought.{{ column }}, active.{{ column }}) as {{ column }},
    {%- endfor %}
    coalesce(bought.orders, 0) as orders,
    coalesce(bought.net_amount, 0) as net_amount,
    -- A margin that is unknown remains so.
    case when bought.customer_id is null then 0 else bought.margin_amount end as margin_amount,
    {%- for column in ['prior_net_amount', 'last_year_net_amount', 'net_change_amount'] %}
    coalesce(bought.{{ column }}, 0) as {{ column }},
    {%- endfor %}
    coalesce(active.is_active_at_start, false) as is_active_at_start,
    coalesce(active.is_active_at_end, false) as is_active_at_end,
    coalesce(active.activity_movement, 'inactive') as activity_movement,
    coalesce(bought.revenue_movement, 'none') as revenue_movement,
    coalesce(bought.is_partial_period, active.is_partial_period) as is_partial_period
from bought
full join active using (customer_id, period_start)
