-- The value of a cohort's customers after a number of days; one row per cohort month, horizon and company, segment,
-- region or channel (of the first order). A cohort are the customers who first ordered in a month.
-- Per customer: net revenue or margin within [first order, first order + horizon) / customers, shown when every customer of the
-- month has had the horizon's days. Horizon `lifetime` covers everything so far, and is always shown.
{% set cuts = {'company': "'company'", 'segment': 'segment', 'region': 'region', 'channel': 'first_channel'} %}
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

sizes as (
    {%- for entity_type, entity_id in cuts.items() %}
    select
        cohort_month as period_month,
        '{{ entity_type }}' as entity_type,
        {{ entity_id }} as entity_id,
        count(*) as customers,
        -- If the value of some customers of a cohort cannot be predicted, the cohort has no prediction.
        case when count(predicted_value) = count(*) then sum(predicted_value) end as predicted_amount
    from customers
    group by 1, 2, 3
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

horizons as (
    {%- for days in horizons %}
    select '{{ days }}d' as horizon, {{ days }} as horizon_days
    union all
    {%- endfor %}
    select 'lifetime' as horizon, cast(null as integer) as horizon_days
),

sums as (
    {%- for entity_type, entity_id in cuts.items() %}
    select
        earned.cohort_month as period_month,
        '{{ entity_type }}' as entity_type,
        {{ entity_id }} as entity_id,
        horizons.horizon,
        sum(earned.net_amount) as net_amount,
        sum(earned.margin_amount) as margin_amount,
        sum(earned.items_without_cost) as items_without_cost
    from earned
    inner join horizons
        on earned.from_horizon_days <= horizons.horizon_days or horizons.horizon_days is null
    group by 1, 2, 3, 4
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

spine as (
    {{ entity_months('sizes') }}
),

cohorts as (
    select
        spine.period_month,
        spine.entity_type,
        spine.entity_id,
        spine.is_partial_period,
        horizons.horizon,
        horizons.horizon_days,
        coalesce(sizes.customers, 0) as customers,
        coalesce(sums.net_amount, 0) as net_amount,
        case when coalesce(sums.items_without_cost, 0) = 0 then coalesce(sums.margin_amount, 0) end as margin_amount,
        case when horizons.horizon = 'lifetime' then sizes.predicted_amount end as predicted_amount,
        -- The last customer of the month may have ordered first on its last day.
        horizons.horizon_days is null
        or {{ days_from('spine.next_month_start', 'parameters.as_of_date') }} + 2 >= horizons.horizon_days as is_mature
    from spine
    cross join horizons
    cross join parameters
    left join sizes using (period_month, entity_type, entity_id)
    left join sums using (period_month, entity_type, entity_id, horizon)
)

select
    period_month,
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
