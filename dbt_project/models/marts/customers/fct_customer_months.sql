-- Each customer's activity in each month; one row per customer and month with an order, net revenue in it, the month before or
-- the month a year before, or activity at its start or end.
select
    customer_id,
    period_start as period_month,
    cohort_month,
    segment,
    region,
    first_channel,
    orders,
    net_amount,
    margin_amount,
    prior_net_amount,
    last_year_net_amount,
    net_change_amount,
    is_active_at_start,
    is_active_at_end,
    activity_movement,
    revenue_movement,
    is_partial_period
from {{ ref('int_customer_periods') }}
where grain = 'month'
