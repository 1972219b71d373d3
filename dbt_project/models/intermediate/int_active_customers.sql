-- Who is active at the start and the end of each period; one row per grain, period and customer who is at either.
-- A period in progress ends with the as-of date so far. Money is apart, in `int_customer_periods`: customers are active in many
-- more weeks than they buy in.
{{ config(materialized='view') }}
with

active as (
    select
        activity.customer_id,
        periods.grain,
        periods.period_start,
        periods.counted_until,
        periods.is_partial_period,
        bool_or(activity.active_from <= periods.period_start) as is_active_at_start,
        bool_or(activity.active_until > periods.counted_until) as is_active_at_end
    from {{ ref('int_customer_activity') }} as activity
    inner join {{ ref('int_periods') }} as periods
        on
            activity.active_from <= periods.counted_until
            and activity.active_until > periods.period_start
    where
        activity.active_from <= periods.period_start
        or activity.active_until > periods.counted_until
    group by 1, 2, 3, 4, 5
)

select
    active.grain,
    active.period_start,
    active.customer_id,
    customers.cohort_month,
    coalesce(customers.segment, 'unassigned') as segment,
    coalesce(customers.region, 'unassigned') as region,
    coalesce(customers.first_channel, 'unassigned') as first_channel,
    active.is_active_at_start,
    active.is_active_at_end,
    case
        when active.is_active_at_start and active.is_active_at_end then 'retained'
        when active.is_active_at_start then 'churned'
        when customers.first_ordered_on >= active.period_start and customers.first_ordered_on < active.counted_until then 'new'
        else 'reactivated'
    end as activity_movement,
    active.is_partial_period
from active
left join {{ ref('dim_customer') }} as customers
    on active.customer_id = customers.customer_id
