-- The calendar of this run: every day from the first business event's month to the as-of date; one row per day.
with

parameters as (
    select * from {{ ref('int_run_parameters') }}
),

histories as (
    select * from {{ ref('int_histories') }}
),

bounds as (
    select
        coalesce(min(histories.first_day), max(parameters.as_of_date)) as first_event,
        max(parameters.as_of_date) as as_of_date
    from parameters
    left join histories
        on true
),

calendar as (
    select
        {{ period_start('month', 'first_event') }} as first_day,
        as_of_date
    from bounds
),

days as (
    {{ date_spine('calendar', 'first_day', 'as_of_date', 'date_day') }}
)

select
    days.date_day,
    {{ period_start('week', 'days.date_day') }} as week_start,
    {{ period_start('month', 'days.date_day') }} as month_start,
    {{ period_start('quarter', 'days.date_day') }} as quarter_start,
    {{ period_start('year', 'days.date_day') }} as year_start,
    {{ add_period(period_start('month', 'days.date_day'), 'month', 1) }} as next_month_start,
    {{ add_period(period_start('month', 'days.date_day'), 'month', 1) }} > {{ add_period('calendar.as_of_date', 'day', 1) }}
        as is_partial_month
from days
cross join calendar
