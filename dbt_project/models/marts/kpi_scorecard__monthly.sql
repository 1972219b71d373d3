-- Every KPI in one tall table; one row per month, KPI, variant, entity type and entity.
-- Money is in the reporting currency, rates are fractions of 1.
{% set revenue_variants = {
    'net': 'net_amount',
    'gross': 'gross_amount',
    'discounts': 'discount_amount',
    'refunds': 'refund_amount',
    'margin': 'margin_amount',
    'orders': 'orders',
    'new_customer_net': 'new_customer_net_amount',
    'repeat_net': 'repeat_net_amount',
} %}
{% set growth_variants = {
    'mom': ['growth_month', 'net_amount', 'prior_month_net', 'orders'],
    'qoq': ['growth_3_months', 'net_3_months', 'prior_3_months_net', 'orders_3_months'],
    'yoy': ['growth_year', 'net_amount', 'prior_year_net', 'orders'],
    'rolling_3': ['growth_3_months', 'net_3_months', 'prior_3_months_net', 'orders_3_months'],
    'trailing_12': ['growth_12_months', 'net_12_months', 'prior_12_months_net', 'orders_12_months'],
} %}
{% set windows = [30, 60, 90] %}
{% set no_bound = 'cast(null as double)' %}
{% set kpi_variants = {
    'revenue': [has_source('orders'), (revenue_variants.keys() | list) + ['aov']],
    'sales_growth': [has_source('orders'), growth_variants.keys() | list],
    'lead_conversion': [has_source('leads'), ['cohort_30d', 'cohort_60d', 'cohort_90d', 'cohort_ever', 'activity']],
} %}
with

parameters as (
    select * from {{ ref('int_run_parameters') }}
),

revenue as (
    select * from {{ ref('kpi_revenue__monthly') }}
),

sales_growth as (
    select * from {{ ref('kpi_sales_growth__monthly') }}
),

lead_conversion as (
    select * from {{ ref('kpi_lead_conversion__sdr_monthly') }}
),

sales_reps as (
    select * from {{ ref('dim_sales_rep') }}
),

measures as (
    {%- for variant, column in revenue_variants.items() %}
    select
        period_month, entity_type, entity_id, is_partial_period, 'revenue' as kpi_id, '{{ variant }}' as variant,
        cast({{ column }} as decimal(38, 12)) as value,
        cast({{ column }} as decimal(38, 12)) as numerator,
        cast(null as decimal(38, 12)) as denominator,
        orders as sample_size,
        {{ no_bound }} as ci_low,
        {{ no_bound }} as ci_high,
        true as is_mature,
        false as is_rate
    from revenue
    union all
    {%- endfor %}
    select
        period_month, entity_type, entity_id, is_partial_period, 'revenue' as kpi_id, 'aov' as variant,
        cast(average_order_value as decimal(38, 12)) as value,
        cast(gross_amount - discount_amount as decimal(38, 12)) as numerator,
        cast(orders as decimal(38, 12)) as denominator,
        orders as sample_size,
        {{ no_bound }} as ci_low,
        {{ no_bound }} as ci_high,
        true as is_mature,
        true as is_rate
    from revenue
    {%- for variant, (rate, span, prior_span, orders) in growth_variants.items() %}
    union all
    select
        period_month, entity_type, entity_id, is_partial_period, 'sales_growth' as kpi_id, '{{ variant }}' as variant,
        cast({{ rate }} as decimal(38, 12)) as value,
        cast({{ span }} as decimal(38, 12)) as numerator,
        cast({{ prior_span }} as decimal(38, 12)) as denominator,
        {{ orders }} as sample_size,
        {{ no_bound }} as ci_low,
        {{ no_bound }} as ci_high,
        not is_partial_period as is_mature,
        true as is_rate
    from sales_growth
    {%- if variant == 'qoq' %}
    where is_quarter_end
    {%- endif %}
    {%- endfor %}
    {%- for window in windows %}
    union all
    select
        period_month, entity_type, entity_id, is_partial_period,
        'lead_conversion' as kpi_id, 'cohort_{{ window }}d' as variant,
        cast(conversion_rate_{{ window }}d as decimal(38, 12)) as value,
        cast(converted_{{ window }}d as decimal(38, 12)) as numerator,
        cast(leads as decimal(38, 12)) as denominator,
        leads as sample_size,
        case when is_mature_{{ window }}d then {{ wilson_bound('converted_' ~ window ~ 'd', 'leads', '-') }} end as ci_low,
        case when is_mature_{{ window }}d then {{ wilson_bound('converted_' ~ window ~ 'd', 'leads', '+') }} end as ci_high,
        is_mature_{{ window }}d as is_mature,
        true as is_rate
    from lead_conversion
    {%- endfor %}
    union all
    select
        period_month, entity_type, entity_id, is_partial_period, 'lead_conversion' as kpi_id, 'cohort_ever' as variant,
        cast(conversion_rate_ever as decimal(38, 12)) as value,
        cast(converted_ever as decimal(38, 12)) as numerator,
        cast(leads as decimal(38, 12)) as denominator,
        leads as sample_size,
        {{ wilson_bound('converted_ever', 'leads', '-') }} as ci_low,
        {{ wilson_bound('converted_ever', 'leads', '+') }} as ci_high,
        true as is_mature,
        true as is_rate
    from lead_conversion
    union all
    -- Conversions of older leads count here, so that this rate may pass 1 and has no binomial interval.
    select
        period_month, entity_type, entity_id, is_partial_period, 'lead_conversion' as kpi_id, 'activity' as variant,
        cast(conversion_rate_activity as decimal(38, 12)) as value,
        cast(conversions as decimal(38, 12)) as numerator,
        cast(leads as decimal(38, 12)) as denominator,
        leads as sample_size,
        {{ no_bound }} as ci_low,
        {{ no_bound }} as ci_high,
        true as is_mature,
        true as is_rate
    from lead_conversion
),

-- The month before by the calendar, not by the row before: a month without a row is no zero and is not skipped.
with_prior as (
    select
        measures.*,
        month_before.value as prior_value
    from measures
    left join measures as month_before
        on
            measures.kpi_id = month_before.kpi_id
            and measures.variant = month_before.variant
            and measures.entity_type = month_before.entity_type
            and measures.entity_id = month_before.entity_id
            and month_before.period_month = {{ add_period('measures.period_month', 'month', -1) }}
),

scored as (
    select
        with_prior.period_month,
        with_prior.kpi_id,
        with_prior.variant,
        with_prior.entity_type,
        with_prior.entity_id,
        case
            when with_prior.entity_type = 'company' then 'Company'
            when with_prior.entity_type = 'rep' then coalesce(sales_reps.rep_name, with_prior.entity_id)
            else with_prior.entity_id
        end as entity_name,
        with_prior.value,
        with_prior.numerator,
        with_prior.denominator,
        cast(with_prior.sample_size as bigint) as sample_size,
        cast(with_prior.ci_low as decimal(38, 12)) as ci_low,
        cast(with_prior.ci_high as decimal(38, 12)) as ci_high,
        with_prior.prior_value,
        -- A month that is not over is not compared with one that is.
        case when not with_prior.is_partial_period then with_prior.value - with_prior.prior_value end as delta,
        cast(null as decimal(38, 12)) as target,
        cast(null as decimal(38, 12)) as attainment,
        with_prior.is_partial_period,
        with_prior.is_mature,
        case
            when with_prior.denominator = 0 then 'no_data'
            when not with_prior.is_mature then 'immature'
            when with_prior.value is null then 'no_data'
            when with_prior.is_rate and with_prior.sample_size < {{ var('small_sample') }} then 'small_sample'
            else 'ok'
        end as status
    from with_prior
    left join sales_reps
        on
            with_prior.entity_type = 'rep'
            and with_prior.entity_id = sales_reps.rep_id
)
{%- for kpi_id, (is_delivered, variants) in kpi_variants.items() if not is_delivered %}
{%- for variant in variants %},

{{ kpi_id }}_{{ variant }}_without_source as (
    select distinct
        month_start as period_month, '{{ kpi_id }}' as kpi_id, '{{ variant }}' as variant,
        'company' as entity_type, 'company' as entity_id, 'Company' as entity_name,
        cast(null as decimal(38, 12)) as value,
        cast(null as decimal(38, 12)) as numerator,
        cast(null as decimal(38, 12)) as denominator,
        cast(null as bigint) as sample_size,
        cast(null as decimal(38, 12)) as ci_low,
        cast(null as decimal(38, 12)) as ci_high,
        cast(null as decimal(38, 12)) as prior_value,
        cast(null as decimal(38, 12)) as delta,
        cast(null as decimal(38, 12)) as target,
        cast(null as decimal(38, 12)) as attainment,
        is_partial_month as is_partial_period,
        true as is_mature,
        'no_source' as status
    from {{ ref('int_days') }}
)
{%- endfor %}
{%- endfor %},

final as (
    select * from scored
    {%- for kpi_id, (is_delivered, variants) in kpi_variants.items() if not is_delivered %}
    {%- for variant in variants %}
    union all
    select * from {{ kpi_id }}_{{ variant }}_without_source
    {%- endfor %}
    {%- endfor %}
)

select
    final.*,
    parameters.as_of_date
from final
cross join parameters
