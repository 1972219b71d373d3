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
    where is_current
),

measures as (
    {%- for variant, column in revenue_variants.items() %}
    {{ scorecard_measure('revenue', variant, column, column, 'null', 'orders', is_rate=false) }}
    union all
    {%- endfor %}
    {{ scorecard_measure('revenue', 'aov', 'average_order_value', 'gross_amount - discount_amount', 'orders', 'orders') }}
    {%- for variant, (rate, span, prior_span, orders) in growth_variants.items() %}
    union all
    {{ scorecard_measure('sales_growth', variant, rate, span, prior_span, orders, is_mature='not is_partial_period') }}
    {%- if variant == 'qoq' %}
    where is_quarter_end
    {%- endif %}
    {%- endfor %}
    {%- for window in windows %}
    union all
    {{ scorecard_measure(
        'lead_conversion', 'cohort_' ~ window ~ 'd', 'conversion_rate_' ~ window ~ 'd',
        'converted_' ~ window ~ 'd', 'leads', 'leads', is_mature='is_mature_' ~ window ~ 'd', has_interval=true,
    ) }}
    {%- endfor %}
    union all
    {{ scorecard_measure(
        'lead_conversion', 'cohort_ever', 'conversion_rate_ever', 'converted_ever', 'leads', 'leads',
        has_interval=true,
    ) }}
    union all
    -- Conversions of older leads count here, so that this rate may pass 1 and has no binomial interval.
    {{ scorecard_measure(
        'lead_conversion', 'activity', 'conversion_rate_activity', 'conversions', 'leads', 'leads',
    ) }}
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
