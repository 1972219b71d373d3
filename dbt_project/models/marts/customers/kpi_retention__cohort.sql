-- How many customers of a cohort return; one row per cohort month, number of months since then, and company, segment,
-- region or channel (of the first order). A cohort consists of the customers whose first order was in the same month. Customers
-- return in a month if they order in it. Months that are not over on the as-of date, or begin after it, cannot be observed yet:
-- their values are NULL and not mature.
{% set cuts = {'segment': 'segment', 'region': 'region', 'channel': 'first_channel'} %}
with

customer_months as (
    select * from {{ ref('fct_customer_months') }}
    where cohort_month is not null
),

months as (
    select
        month_start,
        is_partial_month,
        row_number() over (order by month_start) as month_number
    from (
        select distinct
            month_start,
            is_partial_month
        from {{ ref('int_days') }}
    ) as distinct_months
),

active as (
    {% call by_cuts('customer_months', ['cohort_month', 'period_month'], cuts) %}
        sum(case when orders > 0 then 1 else 0 end) as active_customers,
        sum(net_amount) as net_amount
    {% endcall %}
),

-- Every customer of a cohort ordered in the cohort's month.
cohorts as (
    select
        cohort_month,
        entity_type,
        entity_id,
        active_customers as customers
    from active
    where period_month = cohort_month
),

-- All cells of the square, not only of the triangle: values that cannot be known yet are shown as unknown.
cells as (
    select
        cohorts.*,
        offsets.month_number - 1 as months_since,
        cohort_months.month_number + offsets.month_number - 1 as period_number
    from cohorts
    inner join months as cohort_months
        on cohorts.cohort_month = cohort_months.month_start
    cross join months as offsets
)

select
    cells.cohort_month,
    cells.entity_type,
    cells.entity_id,
    cast(cells.months_since as bigint) as months_since,
    months.month_start as period_month,
    cast(cells.customers as bigint) as customers,
    case when not months.is_partial_month then cast(coalesce(active.active_customers, 0) as bigint) end as active_customers,
    case
        when not months.is_partial_month
            then {{ safe_divide('coalesce(active.active_customers, 0)', 'cells.customers') }}
    end as retention_rate,
    case when not months.is_partial_month then cast(coalesce(active.net_amount, 0) as decimal(18, 2)) end as net_amount,
    coalesce(not months.is_partial_month, false) as is_mature
from cells
left join months
    on cells.period_number = months.month_number
left join active
    on
        cells.cohort_month = active.cohort_month
        and months.month_start = active.period_month
        and cells.entity_type = active.entity_type
        and cells.entity_id = active.entity_id
