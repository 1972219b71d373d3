-- The first days of the earlier periods that the period in progress is compared with, as many as it has had so far; one row per
-- grain, period, KPI, variant, entity type and entity. The scorecard has only their values, as prior and last-year values.
with

to_date as (
    select * from {{ ref('int_kpi_measures') }}
    where grain in ({{ text_list(to_date_grains()) }})
),

sales_reps as (
    select * from {{ ref('dim_sales_rep') }}
    where is_current
)

select
    replace(to_date.grain, '_to_date', '') as grain,
    to_date.period_start,
    to_date.kpi_id,
    to_date.variant,
    to_date.entity_type,
    to_date.entity_id,
    case
        when to_date.entity_type = 'company' then 'Company'
        when to_date.entity_type = 'rep' then coalesce(sales_reps.rep_name, to_date.entity_id)
        else to_date.entity_id
    end as entity_name,
    to_date.value,
    to_date.numerator,
    to_date.denominator,
    to_date.sample_size,
    to_date.ci_low,
    to_date.ci_high,
    -- Nothing is compared with a period that the history does not cover.
    case when to_date.began_late then 'incomplete' when to_date.value is null then 'no_data' else 'ok' end as status
from to_date
left join sales_reps
    on
        to_date.entity_type = 'rep'
        and to_date.entity_id = sales_reps.rep_id
