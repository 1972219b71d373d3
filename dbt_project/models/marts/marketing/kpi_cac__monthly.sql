-- The cost of winning a customer; one row per month and company or marketing channel.
-- paid = spend of paid campaigns / new customers whose last touch was one of theirs; blended = all media and programme costs /
-- all new customers; fully loaded = with people and tools. A channel has only the costs known by channel; the rest is NULL.
-- Costs are compared with the customers won `cac_lag_months` later. Costs that no source delivers are NULL: unknown, not zero.
-- A rate is also NULL until the month's costs have arrived, and before the history of the costs began: with half of the costs,
-- every customer would look cheap, and without any, free.
{% set lag = var('cac_lag_months') %}
{% set cuts = {'company': "'company'", 'channel': 'channel'} %}
{% set cost_month = add_period('spine.period_month', 'month', '-' ~ lag) %}
with

spend as (
    select
        *,
        {{ period_start('month', 'spend_date') }} as cost_month
    from {{ ref('fct_marketing_spend') }}
),

costs as (
    select
        {{ period_start('month', 'costs.cost_month') }} as cost_month,
        costs.cost_type,
        {{ in_reporting_currency('costs.amount', 'rates.rate') }} as cost_amount
    from {{ ref('int_sales_marketing_costs') }} as costs
    left join {{ ref('int_fx_rates_daily') }} as rates
        on
            {{ period_start('month', 'costs.cost_month') }} = rates.date_day
            and costs.currency_code = rates.currency_code
),

attribution as (
    select
        *,
        {{ period_start('month', 'ordered_on') }} as period_month
    from {{ ref('fct_attribution') }}
),

leads as (
    select * from {{ ref('fct_leads') }}
),

customer_value as (
    select
        *,
        period_start as period_month
    from {{ ref('kpi_retention') }}
    where grain = 'month'
),

media as (
    {%- for entity_type, entity_id in cuts.items() %}
    select
        {{ add_period('cost_month', 'month', lag) }} as period_month,
        '{{ entity_type }}' as entity_type,
        {{ entity_id }} as entity_id,
        sum(spend_amount) as media_spend_amount,
        sum(case when is_paid then spend_amount else 0 end) as paid_spend_amount,
        sum(platform_conversions) as platform_conversions,
        sum(platform_revenue_amount) as platform_revenue_amount,
        sum(case when platform_revenue_amount is not null then spend_amount end) as platform_spend_amount
    from spend
    group by 1, 2, 3
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

other_costs as (
    select
        {{ add_period('cost_month', 'month', lag) }} as period_month,
        'company' as entity_type,
        'company' as entity_id,
        sum(case when cost_type in ({{ text_list(var('programme_cost_types')) }}) then cost_amount else 0 end)
            as programme_amount,
        sum(case when cost_type in ({{ text_list(var('programme_cost_types')) }}) then 0 else cost_amount end)
            as people_and_tools_amount
    from costs
    group by 1, 2, 3
),

won as (
    {%- for entity_type, entity_id in cuts.items() %}
    select
        period_month,
        '{{ entity_type }}' as entity_type,
        {{ entity_id }} as entity_id,
        sum(case when is_first_order and touch_number = touches then 1 else 0 end) as new_customers,
        sum(case when is_first_order and touch_number = touches and is_paid then 1 else 0 end) as new_paid_customers,
        sum(case when is_paid then last_amount else 0 end) as attributed_paid_sales_amount
    from attribution
    {%- if entity_type == 'channel' %}
    where is_paid
    {%- endif %}
    group by 1, 2, 3
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

leads_created as (
    select
        {{ period_start('month', 'created_on') }} as period_month,
        'company' as entity_type,
        'company' as entity_id,
        count(*) as leads
    from leads
    where created_on is not null
    group by 1, 2, 3
),

leads_accepted as (
    select
        {{ period_start('month', 'sql_on') }} as period_month,
        'company' as entity_type,
        'company' as entity_id,
        count(*) as sqls
    from leads
    where sql_on is not null
    group by 1, 2, 3
),

media_in as (
    {{ months_in('ad_spend', 'spend_date') }}
),

other_costs_in as (
    {{ months_in('sales_marketing_costs', 'cost_month') }}
),

active_months as (
    {%- for relation in ['media', 'other_costs', 'won', 'leads_created', 'leads_accepted'] %}
    select period_month, entity_type, entity_id from {{ relation }}
    {{ 'union' if not loop.last }}
    {%- endfor %}
),

spine as (
    {{ entity_months('active_months') }}
),

joined as (
    select
        spine.period_month,
        spine.entity_type,
        spine.entity_id,
        spine.is_partial_period,
        spine.entity_type = 'company' as is_company,
        {{ zero_if_delivered('media.paid_spend_amount', ['ad_spend']) }} as paid_spend_amount,
        {{ zero_if_delivered('media.media_spend_amount', ['ad_spend']) }} as media_spend_amount,
        {{ zero_if_delivered('media.media_spend_amount', ['ad_spend']) }}
        + coalesce(other_costs.programme_amount, 0) as programme_cost_amount,
        {{ zero_if_delivered('media.media_spend_amount', ['ad_spend']) }}
        + coalesce(other_costs.programme_amount, 0)
        + {{ zero_if_delivered('other_costs.people_and_tools_amount', ['sales_marketing_costs']) }} as fully_loaded_cost_amount,
        {{ zero_if_delivered('won.new_customers', ['orders']) }} as new_customers,
        {{ zero_if_delivered('won.new_paid_customers', ['orders', 'touchpoints']) }} as new_paid_customers,
        {{ zero_if_delivered('won.attributed_paid_sales_amount', ['orders', 'touchpoints']) }} as attributed_paid_sales_amount,
        {{ zero_if_delivered('leads_created.leads', ['leads']) }} as leads,
        {{ zero_if_delivered('leads_accepted.sqls', ['leads']) }} as sqls,
        media.platform_conversions,
        media.platform_revenue_amount,
        media.platform_spend_amount,
        customer_value.margin_per_active_customer,
        customer_value.predictive_value,
        {{ month_is_in('media_in', cost_month) }} as is_media_spend_in,
        -- If no source has ever delivered programme costs, the KPI does not wait for them, because there may be none.
        {{ month_is_in('media_in', cost_month) }}
        and {{ month_lies_within('other_costs_in', cost_month) }} as is_programme_cost_in,
        {{ month_is_in('media_in', cost_month) }} and {{ month_is_in('other_costs_in', cost_month) }} as is_cost_in
    from spine
    cross join media_in
    cross join other_costs_in
    left join media using (period_month, entity_type, entity_id)
    left join other_costs using (period_month, entity_type, entity_id)
    left join won using (period_month, entity_type, entity_id)
    left join leads_created using (period_month, entity_type, entity_id)
    left join leads_accepted using (period_month, entity_type, entity_id)
    left join customer_value
        on
            spine.period_month = customer_value.period_month
            and spine.entity_type = 'company'
            and customer_value.entity_type = 'company'
)

select
    period_month,
    entity_type,
    entity_id,
    cast(paid_spend_amount as decimal(18, 2)) as paid_spend_amount,
    cast(media_spend_amount as decimal(18, 2)) as media_spend_amount,
    case when is_company then cast(programme_cost_amount as decimal(18, 2)) end as programme_cost_amount,
    case when is_company then cast(fully_loaded_cost_amount as decimal(18, 2)) end as fully_loaded_cost_amount,
    case when is_company then cast(new_customers as bigint) end as new_customers,
    cast(new_paid_customers as bigint) as new_paid_customers,
    case when is_company then cast(leads as bigint) end as leads,
    case when is_company then cast(sqls as bigint) end as sqls,
    case when is_media_spend_in then {{ safe_divide('paid_spend_amount', 'new_paid_customers') }} end as cac_paid,
    case when is_company and is_programme_cost_in then {{ safe_divide('programme_cost_amount', 'new_customers') }} end
        as cac_blended,
    case when is_company and is_cost_in then {{ safe_divide('fully_loaded_cost_amount', 'new_customers') }} end
        as cac_fully_loaded,
    case when is_company and is_programme_cost_in then {{ safe_divide('programme_cost_amount', 'leads') }} end
        as cost_per_lead,
    case when is_company and is_programme_cost_in then {{ safe_divide('programme_cost_amount', 'sqls') }} end
        as cost_per_sql,
    cast(attributed_paid_sales_amount as decimal(18, 2)) as attributed_paid_sales_amount,
    case when is_media_spend_in then {{ safe_divide('attributed_paid_sales_amount', 'paid_spend_amount') }} end as roas,
    case
        when is_media_spend_in then {{ safe_divide('attributed_paid_sales_amount - paid_spend_amount', 'paid_spend_amount') }}
    end as romi,
    margin_per_active_customer,
    predictive_value,
    -- A negative margin never pays anything back.
    case
        when margin_per_active_customer > 0 and not is_partial_period and is_programme_cost_in
            then {{ safe_divide(safe_divide('programme_cost_amount', 'new_customers'), 'margin_per_active_customer') }}
    end as payback_months,
    case
        when margin_per_active_customer > 0 and not is_partial_period and is_programme_cost_in
            then {{ safe_divide('predictive_value', safe_divide('programme_cost_amount', 'new_customers')) }}
    end as ltv_cac,
    -- As the platforms report it.
    cast(platform_conversions as decimal(18, 2)) as platform_conversions,
    cast(platform_revenue_amount as decimal(18, 2)) as platform_revenue_amount,
    cast(platform_spend_amount as decimal(18, 2)) as platform_spend_amount,
    case when is_media_spend_in then {{ safe_divide('platform_revenue_amount', 'platform_spend_amount') }} end as platform_roas,
    is_partial_period,
    is_media_spend_in,
    is_programme_cost_in,
    is_cost_in
from joined
