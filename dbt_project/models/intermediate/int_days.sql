-- The calendar of this run: every day from the first business event's month to the as-of date; one row per day.
with

parameters as (
    select * from {{ ref('int_run_parameters') }}
),

first_days as (
    select {{ business_date('min(ordered_at)') }} as first_day from {{ ref('int_orders') }}
    union all
    select {{ business_date('min(refunded_at)') }} as first_day from {{ ref('int_refunds') }}
    union all
    select {{ business_date('min(created_at)') }} as first_day from {{ ref('int_leads') }}
    union all
    select {{ business_date('min(created_at)') }} as first_day from {{ ref('int_opportunities') }}
    union all
    select min(spend_date) as first_day from {{ ref('int_ad_spend') }}
    union all
    select min(cost_month) as first_day from {{ ref('int_sales_marketing_costs') }}
    union all
    select {{ business_date('min(sent_at)') }} as first_day from {{ ref('int_nps_invitations') }}
    union all
    select {{ business_date('min(responded_at)') }} as first_day from {{ ref('int_nps_responses') }}
),

bounds as (
    select
        min(coalesce(first_days.first_day, parameters.as_of_date)) as first_event,
        max(parameters.as_of_date) as as_of_date
    from first_days
    cross join parameters
),

calendar as (
    select
        {{ period_start('month', 'least(first_event, as_of_date)') }} as first_day,
        as_of_date
    from bounds
),

days as (
    {{ date_spine('calendar', 'first_day', 'as_of_date', 'date_day') }}
)

select
    days.date_day,
    {{ period_start('month', 'days.date_day') }} as month_start,
    {{ period_start('quarter', 'days.date_day') }} as quarter_start,
    {{ period_start('year', 'days.date_day') }} as year_start,
    {{ add_period(period_start('month', 'days.date_day'), 'month', 1) }} as next_month_start,
    {{ add_period(period_start('month', 'days.date_day'), 'month', 1) }} > {{ add_period('calendar.as_of_date', 'day', 1) }}
        as is_partial_month
from days
cross join calendar
