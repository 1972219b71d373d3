-- What customers' periods are computed from; one row per grain, period, part and day on which something happened. Besides the
-- parts of the period, the `active_days` before its end count: whoever ordered in them may be active at its start or end.
{{ config(materialized='view') }}
with

periods as (
    select * from {{ ref('int_periods') }}
),

parts as (
    {{ parts_of_periods('periods') }}
    union all
    select
        grain,
        period_start,
        'active' as part,
        {{ add_period('period_start', 'day', -(var('active_days') | int)) }} as first_day,
        counted_until
    from periods
)

select
    parts.grain,
    parts.period_start,
    parts.part,
    parts.first_day,
    parts.counted_until,
    periods.is_partial_period,
    days.date_day,
    days.fingerprint,
    -- Revenue counts on days of the calendar only, which may begin earlier one day; activity counts on all.
    calendar.date_day is not null as is_in_calendar
from parts
inner join periods
    on
        parts.grain = periods.grain
        and parts.period_start = periods.period_start
left join {{ ref('int_customer_day_fingerprints') }} as days
    on
        parts.first_day <= days.date_day
        and parts.counted_until > days.date_day
left join {{ ref('int_days') }} as calendar
    on days.date_day = calendar.date_day
