-- The months of the scorecard; one row per month, KPI, variant, entity type and entity.
{{ config(materialized='view') }}
select
    period_start as period_month,
    kpi_id,
    variant,
    entity_type,
    entity_id,
    entity_name,
    value,
    numerator,
    denominator,
    sample_size,
    ci_low,
    ci_high,
    prior_value,
    delta,
    target,
    target_to_date,
    attainment,
    is_partial_period,
    is_mature,
    status,
    as_of_date,
    began_late
from {{ ref('kpi_scorecard') }}
where grain = 'month'
