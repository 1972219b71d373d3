-- A failure means that somebody who ordered in a month is counted there by no cohort, or that somebody is who did not.
{{ config(meta={'dagster': {'ref': {'name': 'kpi_retention__cohort'}}}) }}
with

customers as (
    select
        {{ period_start('month', 'ordered_on') }} as period_month,
        count(distinct customer_id) as customers
    from {{ ref('int_counted_orders') }}
    group by 1
),

-- The cohorts say nothing yet of a month that is not over.
whole_months as (
    select distinct month_start as period_month
    from {{ ref('int_days') }}
    where not is_partial_month
),

cohorts as (
    select
        period_month,
        sum(active_customers) as customers
    from {{ ref('kpi_retention__cohort') }}
    where entity_type = 'company' and is_mature
    group by 1
)

select
    whole_months.period_month,
    customers.customers,
    cohorts.customers as cohort_customers
from whole_months
left join customers
    on whole_months.period_month = customers.period_month
left join cohorts
    on whole_months.period_month = cohorts.period_month
where coalesce(customers.customers, 0) <> coalesce(cohorts.customers, 0)
