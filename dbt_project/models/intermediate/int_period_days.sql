-- Which periods count a day; one row per day and period of `int_periods`.
select
    days.date_day,
    periods.grain,
    periods.period_start
from {{ ref('int_days') }} as days
inner join {{ ref('int_periods') }} as periods
    on
        days.date_day >= periods.period_start
        and days.date_day < periods.counted_until
