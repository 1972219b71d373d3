-- The cost of winning a customer, and what ads brought; one row per grain, period and company, marketing channel or advertising
-- platform. There are platforms only if some campaign names one.
-- paid = spend of paid campaigns / new customers whose last touch was one of theirs; blended = all media and programme costs /
-- all new customers; fully loaded = with people and tools. A channel or platform has only the costs that are known by it; the
-- rest is NULL.
-- Costs are compared with the customers won `cac_lag_months` later: spend of 14 January with those of 14 February, of any grain.
-- Costs that no source delivers are NULL: unknown, not zero. A rate is also NULL until the costs of every month of the period
-- have arrived, and before the history of the costs began: with half of the costs, every customer would look cheap, and without
-- any, free.
{% set lag = var('cac_lag_months') %}
{% set cuts = {'channel': 'channel', 'platform': 'platform'} %}
{% set parts = {
    'ads': [
        'spend_amount', 'impressions', 'clicks', 'platform_conversions', 'platform_revenue_amount', 'platform_spend_amount',
    ],
    'media': ['media_spend_amount', 'paid_spend_amount'],
    'other_costs': ['programme_amount', 'people_and_tools_amount'],
    'won': ['new_customers', 'new_paid_customers', 'attributed_paid_sales_amount'],
    'leads_created': ['leads'],
    'leads_accepted': ['sqls'],
} %}
{% set sums = parts.values() | sum(start=[]) %}
{# Programme costs, people and tools are delivered by the month, so that neither a week nor a part of a month has any. Where no
   source delivers them, the blended cost is that of ads, and parts of earlier periods have it, too. #}
{% set whole_months = ['month', 'quarter', 'year'] %}
{% set by_month = whole_months + ([] if 'sales_marketing_costs' in delivered_entities() else to_date_grains(whole_months)) %}
with

spend as (
    select * from {{ ref('fct_marketing_spend') }}
),

costs as (
    select * from {{ ref('fct_sales_marketing_costs') }}
),

-- By the last touch of each order.
attribution as (
    select
        touches.*,
        campaigns.platform
    from {{ ref('fct_attribution') }} as touches
    left join {{ ref('dim_campaign') }} as campaigns
        on touches.campaign_id = campaigns.campaign_id
    where touches.touch_number = touches.touches
),

leads as (
    select * from {{ ref('fct_leads') }}
),

-- Both values are per month, so no other grain has any.
customer_value as (
    select * from {{ ref('kpi_retention') }}
    where grain = 'month' and entity_type = 'company'
),

spend_per_day as (
    {% call by_cuts('spend', ['spend_date'], cuts, optional=['platform']) %}
        sum(spend_amount) as spend_amount,
        sum(case when is_paid then spend_amount else 0 end) as paid_spend_amount,
        sum(impressions) as impressions,
        sum(clicks) as clicks,
        sum(platform_conversions) as platform_conversions,
        sum(platform_revenue_amount) as platform_revenue_amount,
        sum(case when platform_revenue_amount is not null then spend_amount end) as platform_spend_amount
    {% endcall %}
),

ads as (
    select
        *,
        spend_date as date_day
    from spend_per_day
),

media as (
    select
        {{ add_period('spend_date', 'month', lag) }} as date_day,
        entity_type,
        entity_id,
        spend_amount as media_spend_amount,
        paid_spend_amount
    from spend_per_day
),

other_costs as (
    select
        {{ add_period('cost_month', 'month', lag) }} as date_day,
        'company' as entity_type,
        'company' as entity_id,
        sum(case when is_of_programme then cost_amount else 0 end) as programme_amount,
        sum(case when is_of_programme then 0 else cost_amount end) as people_and_tools_amount
    from costs
    group by 1, 2, 3
),

won_per_day as (
    {% call by_cuts('attribution', ['ordered_on', 'is_paid'], cuts, optional=['platform']) %}
        sum(case when is_first_order then 1 else 0 end) as new_customers,
        sum(case when is_first_order and is_paid then 1 else 0 end) as new_paid_customers,
        sum(case when is_paid then last_amount else 0 end) as attributed_paid_sales_amount
    {% endcall %}
),

won as (
    select
        *,
        ordered_on as date_day
    from won_per_day
    where entity_type = 'company' or is_paid
),

{%- for part, day, column in [('leads_created', 'created_on', 'leads'), ('leads_accepted', 'sql_on', 'sqls')] %}

{{ part }} as (
    select
        {{ day }} as date_day,
        'company' as entity_type,
        'company' as entity_id,
        count(*) as {{ column }}
    from leads
    group by 1, 2, 3
),
{%- endfor %}

per_day as (
    {%- for part, columns in parts.items() %}
    select
        {%- for column in sums %}
        {{ column if column in columns else 'null' }} as {{ column }},
        {%- endfor %}
        date_day,
        entity_type,
        entity_id
    from {{ part }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

per_entity as (
    {{ sums_in_periods('per_day', 'date_day', sums) }}
),

spine as (
    {{ entity_periods('per_entity') }}
),

months_of_periods as (
    select
        *,
        {{ period_start('month', 'period_start') }} as first_month,
        {{ period_start('month', add_period('counted_until', 'day', -1)) }} as last_month
    from spine
),

media_in as (
    {{ months_in('ad_spend', 'spend_date') }}
),

other_costs_in as (
    {{ months_in('sales_marketing_costs', 'cost_month') }}
),

arrived as (
    select
        periods.*,
        {{ months_are_in('media_in', 'periods.first_month', 'periods.last_month') }} as is_ad_spend_in,
        {{ months_are_in('media_in', 'periods.first_month', 'periods.last_month', lag) }} as is_media_spend_in,
        {{ months_are_in('other_costs_in', 'periods.first_month', 'periods.last_month', lag) }} as are_other_costs_in,
        {{ months_lie_within('other_costs_in', 'periods.first_month', 'periods.last_month', lag) }} as lies_within_other_costs
    from months_of_periods as periods
    cross join media_in
    cross join other_costs_in
),

joined as (
    select
        arrived.grain,
        arrived.period_start,
        arrived.entity_type,
        arrived.entity_id,
        arrived.is_partial_period,
        arrived.entity_type = 'company' as is_company,
        arrived.entity_type = 'company' and arrived.grain in ({{ text_list(by_month) }}) as has_costs_by_month,
        {{ zero_if_delivered('per_entity.spend_amount', ['ad_spend']) }} as spend_amount,
        {{ zero_if_delivered('per_entity.paid_spend_amount', ['ad_spend']) }} as paid_spend_amount,
        {{ zero_if_delivered('per_entity.media_spend_amount', ['ad_spend']) }} as media_spend_amount,
        {{ zero_if_delivered('per_entity.media_spend_amount', ['ad_spend']) }}
        + coalesce(per_entity.programme_amount, 0) as programme_cost_amount,
        {{ zero_if_delivered('per_entity.media_spend_amount', ['ad_spend']) }}
        + coalesce(per_entity.programme_amount, 0)
        + {{ zero_if_delivered('per_entity.people_and_tools_amount', ['sales_marketing_costs']) }} as fully_loaded_cost_amount,
        {{ zero_if_delivered('per_entity.new_customers', ['orders']) }} as new_customers,
        {{ zero_if_delivered('per_entity.new_paid_customers', ['orders', 'touchpoints']) }} as new_paid_customers,
        {{ zero_if_delivered('per_entity.attributed_paid_sales_amount', ['orders', 'touchpoints']) }}
            as attributed_paid_sales_amount,
        {{ zero_if_delivered('per_entity.leads', ['leads']) }} as leads,
        {{ zero_if_delivered('per_entity.sqls', ['leads']) }} as sqls,
        per_entity.impressions,
        per_entity.clicks,
        per_entity.platform_conversions,
        per_entity.platform_revenue_amount,
        per_entity.platform_spend_amount,
        customer_value.margin_per_active_customer,
        customer_value.predictive_value,
        arrived.is_ad_spend_in,
        arrived.is_media_spend_in,
        -- If no source has ever delivered programme costs, the KPI does not wait for them, because there may be none.
        arrived.is_media_spend_in and arrived.lies_within_other_costs as is_programme_cost_in,
        arrived.is_media_spend_in and arrived.are_other_costs_in as is_cost_in
    from arrived
    left join per_entity using (grain, period_start, entity_type, entity_id)
    left join customer_value using (grain, period_start, entity_type, entity_id)
)

select
    grain,
    period_start,
    entity_type,
    entity_id,
    cast(paid_spend_amount as decimal(18, 2)) as paid_spend_amount,
    cast(media_spend_amount as decimal(18, 2)) as media_spend_amount,
    case when has_costs_by_month then cast(programme_cost_amount as decimal(18, 2)) end as programme_cost_amount,
    case when has_costs_by_month then cast(fully_loaded_cost_amount as decimal(18, 2)) end as fully_loaded_cost_amount,
    case when is_company then cast(new_customers as bigint) end as new_customers,
    cast(new_paid_customers as bigint) as new_paid_customers,
    case when is_company then cast(leads as bigint) end as leads,
    case when is_company then cast(sqls as bigint) end as sqls,
    case when is_media_spend_in then {{ safe_divide('paid_spend_amount', 'new_paid_customers') }} end as cac_paid,
    case
        when has_costs_by_month and is_programme_cost_in then {{ safe_divide('programme_cost_amount', 'new_customers') }}
    end as cac_blended,
    case when has_costs_by_month and is_cost_in then {{ safe_divide('fully_loaded_cost_amount', 'new_customers') }} end
        as cac_fully_loaded,
    case when has_costs_by_month and is_programme_cost_in then {{ safe_divide('programme_cost_amount', 'leads') }} end
        as cost_per_lead,
    case when has_costs_by_month and is_programme_cost_in then {{ safe_divide('programme_cost_amount', 'sqls') }} end
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
    -- What ads cost and brought on the days of the period, without the lag; the rest as the platforms report it.
    cast(spend_amount as decimal(18, 2)) as spend_amount,
    cast(impressions as bigint) as impressions,
    cast(clicks as bigint) as clicks,
    cast(platform_conversions as decimal(18, 2)) as platform_conversions,
    cast(platform_revenue_amount as decimal(18, 2)) as platform_revenue_amount,
    cast(platform_spend_amount as decimal(18, 2)) as platform_spend_amount,
    case when is_ad_spend_in then {{ safe_divide('platform_revenue_amount', 'platform_spend_amount') }} end as platform_roas,
    is_partial_period,
    is_ad_spend_in,
    is_media_spend_in,
    is_programme_cost_in,
    is_cost_in
from joined
