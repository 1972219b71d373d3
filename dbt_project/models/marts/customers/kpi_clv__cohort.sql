-- The value of a cohort's customers after a number of days; one row per cohort month or quarter, horizon and company, segment,
-- region or channel (of the first order). A cohort are the customers who first ordered in a month or quarter.
-- Per customer: net revenue or margin within [first order, first order + horizon) / customers, shown when every customer of the
-- cohort has had the horizon's days. Horizon `lifetime` covers everything so far, and is always shown.
-- A cohort in progress is compared with none: it has had no horizon yet, and an earlier lifetime is longer than its own.
{% set cuts = {'segment': 'segment', 'region': 'region', 'channel': 'first_channel'} %}
{% set horizons = [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 330, 365, 545, 730] %}
with

customers as (
    select * from {{ ref('kpi_clv__customer') }}
),

movements as (
    select * from {{ ref('int_customer_movements') }}
),

parameters as (
    select * from {{ ref('int_run_parameters') }}
),

-- Sum first per cohort and shortest horizon that applies, and then per horizon: cohorts are few, but customers are many.
earned as (
    select
        customers.cohort_month,
        customers.segment,
        customers.region,
        customers.first_channel,
        case
            {%- for days in horizons %}
            when movements.age_days < {{ days }} then {{ days }}
            {%- endfor %}
        end as from_horizon_days,
        sum(movements.net_amount) as net_amount,
        sum(movements.margin_amount) as margin_amount,
        sum(movements.items_without_cost) as items_without_cost
    from customers
    inner join movements
        on customers.customer_id = movements.customer_id
    group by 1, 2, 3, 4, 5
),

-- A quarter consists of months, so the first day of a month says in which quarter its cohort is.
periods_of_cohorts as (
    select
        date_day as cohort_month,
        grain,
        period_start
    from {{ ref('int_period_days') }}
    where grain in ('month', 'quarter')
),

customers_in_periods as (
    select *
    from customers
    inner join periods_of_cohorts using (cohort_month)
),

-- If the value of some customers of a cohort cannot be predicted, the cohort has no prediction.
sizes as (
    {% call by_cuts('customers_in_periods', ['grain', 'period_start'], cuts) %}
        count(*) as customers,
        case when count(predicted_value) = count(*) then sum(predicted_value) end as predicted_amount
    {% endcall %}
),

horizons as (
    {%- for days in horizons %}
    select '{{ days }}d' as horizon, {{ days }} as horizon_days
    union all
    {%- endfor %}
    select 'lifetime' as horizon, cast(null as integer) as horizon_days
),

earned_by_horizon as (
    select
        earned.*,
        horizons.horizon,
        periods_of_cohorts.grain,
        periods_of_cohorts.period_start
    from earned
    inner join horizons
        on earned.from_horizon_days <= horizons.horizon_days or horizons.horizon_days is null
    inner join periods_of_cohorts
        on earned.cohort_month = periods_of_cohorts.cohort_month
),

sums as (
    {% call by_cuts('earned_by_horizon', ['grain', 'period_start', 'horizon'], cuts) %}
        sum(net_amount) as net_amount,
        sum(margin_amount) as margin_amount,
        sum(items_without_cost) as items_without_cost
    {% endcall %}
),

spine as (
    {{ entity_periods('sizes') }}
),

cohorts as (
    select
        spine.grain,
        spine.period_start,
        spine.entity_type,
        spine.entity_id,
        spine.is_partial_period,
        horizons.horizon,
        horizons.horizon_days,
        coalesce(sizes.customers, 0) as customers,
        coalesce(sums.net_amount, 0) as net_amount,
        case when coalesce(sums.items_without_cost, 0) = 0 then coalesce(sums.margin_amount, 0) end as margin_amount,
        case when horizons.horizon = 'lifetime' then sizes.predicted_amount end as predicted_amount,
        -- The last customer of the cohort may have ordered first on its last day.
        horizons.horizon_days is null
        or {{ days_from('spine.period_end', 'parameters.as_of_date') }} + 2 >= horizons.horizon_days as is_mature
    from spine
    cross join horizons
    cross join parameters
    left join sizes using (grain, period_start, entity_type, entity_id)
    left join sums using (grain, period_start, entity_type, entity_id, horizon)
    where spine.grain in ('month', 'quarter')
)

select
    grain,
    period_start,
    entity_type,
    entity_id,
    horizon,
    cast(horizon_days as bigint) as horizon_days,
    cast(customers as bigint) as customers,
    cast(net_amount as decimal(18, 2)) as net_amount,
    cast(margin_amount as decimal(18, 2)) as margin_amount,
    case when is_mature then {{ safe_divide('net_amount', 'customers') }} end as net_per_customer,
    case when is_mature then {{ safe_divide('margin_amount', 'customers') }} end as margin_per_customer,
    cast(predicted_amount as decimal(18, 2)) as predicted_amount,
    {{ safe_divide('predicted_amount', 'customers') }} as predicted_per_customer,
    is_mature,
    is_partial_period
from cohorts
