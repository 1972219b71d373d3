-- Every KPI in one tall table; one row per month, KPI, variant, entity type and entity.
-- Money is in the reporting currency, rates are fractions of 1, NPS is in points. The company has a row for every month and
-- variant: if there is no value, its status says why.
-- Attainment is against what was due by the as-of date: value / target where up is good, target / value where down is good.
with

parameters as (
    select * from {{ ref('int_run_parameters') }}
),

measures as (
    select * from {{ ref('int_kpi_measures') }}
),

sales_reps as (
    select * from {{ ref('dim_sales_rep') }}
    where is_current
),

targets as (
    select
        int_targets_monthly.*,
        kpi_catalogue.default_variant as variant,
        kpi_catalogue.good_direction
    from {{ ref('int_targets_monthly') }} as int_targets_monthly
    inner join {{ ref('kpi_catalogue') }} as kpi_catalogue
        on int_targets_monthly.kpi_id = kpi_catalogue.kpi_id
),

-- Compare with the previous calendar month, not with the previous row: a month without a row is not zero, nor is it skipped.
compared as (
    select
        measures.*,
        -- A month in which the history began late is not compared either.
        case when not coalesce(month_before.began_late, false) then month_before.value end as prior_value,
        targets.target_value,
        targets.target_to_date,
        targets.good_direction,
        case
            when not measures.has_source then 'no_source'
            when measures.denominator = 0 then 'no_data'
            when not measures.is_mature then 'immature'
            when measures.value is null then 'no_data'
            when measures.lacks_deliveries then 'incomplete'
            when measures.counts_cases and measures.sample_size < {{ var('small_sample') }} then 'small_sample'
            else 'ok'
        end as status
    from measures
    left join measures as month_before
        on
            measures.kpi_id = month_before.kpi_id
            and measures.variant = month_before.variant
            and measures.entity_type = month_before.entity_type
            and measures.entity_id = month_before.entity_id
            and month_before.period_month = {{ add_period('measures.period_month', 'month', -1) }}
    left join targets
        on
            measures.period_month = targets.period_month
            and measures.kpi_id = targets.kpi_id
            and measures.variant = targets.variant
            and measures.entity_type = targets.entity_type
            and measures.entity_id = targets.entity_id
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
    -- A month that is not over is not compared with a complete month.
    case when not compared.is_partial_period then compared.value - compared.prior_value end as delta,
    cast(compared.target_value as decimal(38, 12)) as target,
    cast(compared.target_to_date as decimal(38, 12)) as target_to_date,
    -- One deal won out of one is not 286 % of a target of 35 %. For a target that is not above zero, there is no share.
    case
        when compared.status = 'ok' and compared.target_to_date > 0
            then
                case
                    when compared.good_direction = 'up'
                        then cast({{ safe_divide('compared.value', 'compared.target_to_date') }} as decimal(38, 12))
                    when compared.good_direction = 'down' and compared.value > 0
                        then cast({{ safe_divide('compared.target_to_date', 'compared.value') }} as decimal(38, 12))
                end
    end as attainment,
    compared.is_partial_period,
    compared.is_mature,
    compared.status,
    parameters.as_of_date,
    coalesce(compared.began_late, false) as began_late
from compared
cross join parameters
left join sales_reps
    on
        compared.entity_type = 'rep'
        and compared.entity_id = sales_reps.rep_id
