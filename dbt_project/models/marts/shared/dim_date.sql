-- Every day from the first business event's month to the as-of date; one row per day.
select
    date_day,
    week_start,
    month_start,
    quarter_start,
    year_start,
    is_partial_month
from {{ ref('int_days') }}
