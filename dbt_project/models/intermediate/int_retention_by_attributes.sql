-- Customers who stayed, left or came back, and the revenue that was retained; one row per grain, period and combination of
-- segment, region and channel of the first order. These have few values, but customers are many: `kpi_retention` sums them.
{{ incremental_by_fingerprint(['grain', 'period_start'], inputs='int_customer_period_inputs') }}
with

periods as (
    select * from {{ ref('int_periods') }}
    where {{ is_restated(['grain', 'period_start']) }}
),

customer_periods as (
    {{ bought_in('periods') }}
),

active_customers as (
    {{ active_in('periods') }}
),

counted as (
    select
        grain,
        period_start,
        segment,
        region,
        first_channel,
        {%- for movement in ['retained', 'churned', 'new', 'reactivated'] %}
        count(case when activity_movement = '{{ movement }}' then 1 end) as {{ movement }}_customers,
        {%- endfor %}
        count(case when is_active_at_start then 1 end) as customers_at_start,
        count(case when is_active_at_end then 1 end) as customers_at_end
    from active_customers
    group by 1, 2, 3, 4, 5
),

summed as (
    select
        grain,
        period_start,
        segment,
        region,
        first_channel,
        {%- for base, suffix in [['prior_net_amount', ''], ['last_year_net_amount', '_12m']] %}
        count(case when {{ base }} > 0 then 1 end) as base_customers{{ suffix }},
        cast(sum(case when {{ base }} > 0 then {{ base }} else 0 end) as decimal(18, 2)) as base_amount{{ suffix }},
        cast(sum(case when {{ base }} > 0 then net_amount else 0 end) as decimal(18, 2)) as kept_amount{{ suffix }},
        cast(sum(case when {{ base }} > 0 then least(net_amount, {{ base }}) else 0 end) as decimal(18, 2))
            as kept_at_most_amount{{ suffix }},
        {%- endfor %}
        cast(sum(prior_net_amount) as decimal(18, 2)) as start_amount,
        {%- for movement in ['new', 'reactivated', 'expansion', 'contraction', 'churned'] %}
        cast(sum(case when revenue_movement = '{{ movement }}' then net_change_amount else 0 end) as decimal(18, 2))
            as {{ movement }}_amount,
        {%- endfor %}
        -- Whoever has no net revenue in either of the two has only refunds.
        cast(sum(case when revenue_movement = 'none' then net_change_amount else 0 end) as decimal(18, 2))
            as refund_change_amount,
        cast(sum(net_amount) as decimal(18, 2)) as end_amount,
        cast(sum(case when is_active_at_end then margin_amount end) as decimal(18, 2)) as margin_amount,
        count(case when is_active_at_end and margin_amount is null then 1 end) as customers_without_margin
    from customer_periods
    group by 1, 2, 3, 4, 5
)

select *
from counted
full join summed using (grain, period_start, segment, region, first_channel)
