-- Every KPI in one tall table; one row per month, KPI, variant, entity type and entity.
-- Money is in the reporting currency, rates are fractions of 1, NPS is in points. The company has a row for every month and
-- variant: where there is no value, its status says why. `macros/scorecard.sql` lists what is shown of each mart.
{% set marts = scorecard_measures() %}
with

parameters as (
    select * from {{ ref('int_run_parameters') }}
),

{%- for mart in marts %}

{{ mart }} as (
    select * from {{ ref(mart) }}
),
{%- endfor %}

sales_reps as (
    select * from {{ ref('dim_sales_rep') }}
    where is_current
),

targets as (
    select
        int_targets_monthly.*,
        kpi_catalogue.default_variant as variant
    from {{ ref('int_targets_monthly') }} as int_targets_monthly
    inner join {{ ref('kpi_catalogue') }} as kpi_catalogue
        on int_targets_monthly.kpi_id = kpi_catalogue.kpi_id
),

measured as (
    {%- for mart, measures in marts.items() %}
    {%- set last_mart = loop.last %}
    {%- for measure in measures %}
    {{ scorecard_rows(mart, measure) }}
    {{ 'union all' if not (last_mart and loop.last) }}
    {%- endfor %}
    {%- endfor %}
),

variants as (
    {%- for mart, measures in marts.items() %}
    {%- set last_mart = loop.last %}
    {%- for measure in measures %}
    {%- set missing = measure[7] | reject('in', delivered_entities()) | list %}
    select
        '{{ measure[0] }}' as kpi_id,
        '{{ measure[1] }}' as variant,
        {{ 'false' if missing else 'true' }} as has_source,
        {{ 'true' if measure[8]['where'] == 'is_quarter_end' else 'false' }} as is_quarterly
    {{ 'union all' if not (last_mart and loop.last) }}
    {%- endfor %}
    {%- endfor %}
),

months as (
    select distinct
        month_start,
        next_month_start,
        is_partial_month
    from {{ ref('int_days') }}
),

company_months as (
    select
        months.month_start as period_month,
        variants.kpi_id,
        variants.variant,
        months.is_partial_month as is_partial_period,
        variants.has_source
    from months
    cross join variants
    where
        not variants.is_quarterly
        or {{ period_start('quarter', 'months.next_month_start') }} = months.next_month_start
),

-- What cannot be computed without its source is not shown, whatever a mart says of it.
sourced as (
    select measured.*
    from measured
    inner join variants
        on
            measured.kpi_id = variants.kpi_id
            and measured.variant = variants.variant
    where variants.has_source
),

complete as (
    select
        *,
        true as has_source
    from sourced
    union all
    select
        company_months.period_month,
        company_months.kpi_id,
        company_months.variant,
        'company' as entity_type,
        'company' as entity_id,
        cast(null as decimal(38, 12)) as value,
        cast(null as decimal(38, 12)) as numerator,
        cast(null as decimal(38, 12)) as denominator,
        cast(null as bigint) as sample_size,
        cast(null as decimal(38, 12)) as ci_low,
        cast(null as decimal(38, 12)) as ci_high,
        company_months.is_partial_period,
        true as is_mature,
        false as counts_cases,
        company_months.has_source
    from company_months
    left join sourced
        on
            company_months.period_month = sourced.period_month
            and company_months.kpi_id = sourced.kpi_id
            and company_months.variant = sourced.variant
            and sourced.entity_type = 'company'
    where sourced.period_month is null
),

-- The month before by the calendar, not by the row before: a month without a row is no zero and is not skipped.
compared as (
    select
        complete.*,
        month_before.value as prior_value,
        targets.target_value,
        targets.target_to_date
    from complete
    left join complete as month_before
        on
            complete.kpi_id = month_before.kpi_id
            and complete.variant = month_before.variant
            and complete.entity_type = month_before.entity_type
            and complete.entity_id = month_before.entity_id
            and month_before.period_month = {{ add_period('complete.period_month', 'month', -1) }}
    left join targets
        on
            complete.period_month = targets.period_month
            and complete.kpi_id = targets.kpi_id
            and complete.variant = targets.variant
            and complete.entity_type = targets.entity_type
            and complete.entity_id = targets.entity_id
)

select
    compared.period_month,
    compared.kpi_id,
    compared.variant,
    compared.entity_type,
    compared.entity_id,
    case
        when compared.entity_type = 'company' then 'Company'
        when compared.entity_type = 'rep' then coalesce(sales_reps.rep_name, compared.entity_id)
        else compared.entity_id
    end as entity_name,
    compared.value,
    compared.numerator,
    compared.denominator,
    compared.sample_size,
    compared.ci_low,
    compared.ci_high,
    compared.prior_value,
    -- A month that is not over is not compared with one that is.
    case when not compared.is_partial_period then compared.value - compared.prior_value end as delta,
    cast(compared.target_value as decimal(38, 12)) as target,
    cast({{ safe_divide('compared.value', 'compared.target_to_date') }} as decimal(38, 12)) as attainment,
    compared.is_partial_period,
    compared.is_mature,
    case
        when not compared.has_source then 'no_source'
        when compared.denominator = 0 then 'no_data'
        when not compared.is_mature then 'immature'
        when compared.value is null then 'no_data'
        when compared.counts_cases and compared.sample_size < {{ var('small_sample') }} then 'small_sample'
        else 'ok'
    end as status,
    parameters.as_of_date
from compared
cross join parameters
left join sales_reps
    on
        compared.entity_type = 'rep'
        and compared.entity_id = sales_reps.rep_id
