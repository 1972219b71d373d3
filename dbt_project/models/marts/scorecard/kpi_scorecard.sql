-- Every KPI in one tall table; one row per grain, period, KPI, variant, entity type and entity.
-- Money is in the reporting currency, rates are fractions of 1, NPS is in points. The company has a row for every period and
-- variant: if there is no value, its status says why.
-- A period in progress is compared with the first days of the period before and of the same period a year before, as many as it
-- has had so far. Attainment is against what was due by the as-of date: value / target where up is good, target / value where
-- down is good.
{% set comparisons = {'prior': ['prior_value', 'delta'], 'last_year': ['last_year_value', 'last_year_delta']} %}
with

parameters as (
    select * from {{ ref('int_run_parameters') }}
),

measures as (
    select * from {{ ref('int_kpi_measures') }}
),

periods as (
    select * from {{ ref('int_periods') }}
    where grain in ({{ text_list(grains()) }})
),

sales_reps as (
    select * from {{ ref('dim_sales_rep') }}
    where is_current
),

targets as (
    select
        int_targets.*,
        kpi_catalogue.default_variant as variant,
        kpi_catalogue.good_direction
    from {{ ref('int_targets') }} as int_targets
    inner join {{ ref('kpi_catalogue') }} as kpi_catalogue
        on int_targets.kpi_id = kpi_catalogue.kpi_id
),

-- Compare by the calendar, not with the previous row: a period without a row is not zero, nor is it skipped. A period in which
-- the history began late is not compared with.
compared as (
    select
        measures.*,
        {%- for name in comparisons %}
        case when not coalesce({{ name }}_measures.began_late, false) then {{ name }}_measures.value end as {{ name }}_value,
        case when not coalesce({{ name }}_measures.began_late, false) then {{ name }}_measures.ci_low end as {{ name }}_ci_low,
        case when not coalesce({{ name }}_measures.began_late, false) then {{ name }}_measures.ci_high end as {{ name }}_ci_high,
        {%- endfor %}
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
    inner join periods
        on
            measures.grain = periods.grain
            and measures.period_start = periods.period_start
    {%- for name in comparisons %}
    left join measures as {{ name }}_measures
        on
            {{ name }}_measures.grain = concat(measures.grain, case when measures.is_partial_period then '_to_date' else '' end)
            and periods.{{ name }}_period_start = {{ name }}_measures.period_start
            and measures.kpi_id = {{ name }}_measures.kpi_id
            and measures.variant = {{ name }}_measures.variant
            and measures.entity_type = {{ name }}_measures.entity_type
            and measures.entity_id = {{ name }}_measures.entity_id
    {%- endfor %}
    left join targets
        on
            measures.grain = targets.grain
            and measures.period_start = targets.period_start
            and measures.kpi_id = targets.kpi_id
            and measures.variant = targets.variant
            and measures.entity_type = targets.entity_type
            and measures.entity_id = targets.entity_id
),

changed as (
    select
        {%- for name, (value, delta) in comparisons.items() %}
        cast(value - {{ value }} as decimal(38, 12)) as {{ delta }},
        {{ change_bound(name, '-') }} as {{ delta }}_low,
        {{ change_bound(name, '+') }} as {{ delta }}_high,
        {%- endfor %}
        *
    from compared
)

select
    changed.grain,
    changed.period_start,
    changed.kpi_id,
    changed.variant,
    changed.entity_type,
    changed.entity_id,
    case
        when changed.entity_type = 'company' then 'Company'
        when changed.entity_type = 'rep' then coalesce(sales_reps.rep_name, changed.entity_id)
        else changed.entity_id
    end as entity_name,
    changed.value,
    changed.numerator,
    changed.denominator,
    changed.sample_size,
    changed.ci_low,
    changed.ci_high,
    case when changed.is_partial_period then 'to_date' else 'complete' end as comparison,
    {%- for name, (value, delta) in comparisons.items() %}
    changed.{{ value }},
    changed.{{ delta }},
    cast(changed.{{ delta }}_low as decimal(38, 12)) as {{ delta }}_low,
    cast(changed.{{ delta }}_high as decimal(38, 12)) as {{ delta }}_high,
    changed.{{ delta }}_low > 0 or changed.{{ delta }}_high < 0 as is_{{ delta }}_significant,
    {%- endfor %}
    cast(changed.target_value as decimal(38, 12)) as target,
    cast(changed.target_to_date as decimal(38, 12)) as target_to_date,
    -- One deal won out of one is not 286 % of a target of 35 %. For a target that is not above zero, there is no share.
    case
        when changed.status = 'ok' and changed.target_to_date > 0
            then
                case
                    when changed.good_direction = 'up'
                        then cast({{ safe_divide('changed.value', 'changed.target_to_date') }} as decimal(38, 12))
                    when changed.good_direction = 'down' and changed.value > 0
                        then cast({{ safe_divide('changed.target_to_date', 'changed.value') }} as decimal(38, 12))
                end
    end as attainment,
    changed.is_partial_period,
    changed.is_mature,
    changed.status,
    changed.missing_entities,
    parameters.as_of_date,
    coalesce(changed.began_late, false) as began_late
from changed
cross join parameters
left join sales_reps
    on
        changed.entity_type = 'rep'
        and changed.entity_id = sales_reps.rep_id
