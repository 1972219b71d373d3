-- A failure means that a quarter's or a year's target differs from the sum of its months', or that it has one although a month
-- has none, or has none although every month has one. Those in progress also count targets of months to come.
{{ config(meta={'dagster': {'ref': {'name': 'int_targets'}}}) }}
with

targets as (
    select int_targets.*
    from {{ ref('int_targets') }} as int_targets
    inner join {{ ref('kpi_catalogue') }} as kpi_catalogue
        on int_targets.kpi_id = kpi_catalogue.kpi_id
    where kpi_catalogue.is_additive
),

periods_over as (
    select * from {{ ref('int_periods') }}
    where not is_partial_period
),

of_months as (
    {%- for grain, months in [('quarter', 3), ('year', 12)] %}
    select
        '{{ grain }}' as grain,
        {{ period_start(grain, 'period_start') }} as period_start,
        kpi_id,
        entity_type,
        entity_id,
        sum(target_value) as target_of_months,
        sum(target_to_date) as to_date_of_months
    from targets
    where grain = 'month'
    group by 1, 2, 3, 4, 5
    having count(*) = {{ months }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

longer as (
    select * from targets
    where grain in ('quarter', 'year')
),

compared as (
    select
        coalesce(longer.grain, of_months.grain) as grain,
        coalesce(longer.period_start, of_months.period_start) as period_start,
        coalesce(longer.kpi_id, of_months.kpi_id) as kpi_id,
        coalesce(longer.entity_type, of_months.entity_type) as entity_type,
        coalesce(longer.entity_id, of_months.entity_id) as entity_id,
        longer.target_value,
        of_months.target_of_months,
        longer.target_to_date,
        of_months.to_date_of_months
    from longer
    full join of_months
        on
            longer.grain = of_months.grain
            and longer.period_start = of_months.period_start
            and longer.kpi_id = of_months.kpi_id
            and longer.entity_type = of_months.entity_type
            and longer.entity_id = of_months.entity_id
)

select compared.*
from compared
inner join periods_over
    on
        compared.grain = periods_over.grain
        and compared.period_start = periods_over.period_start
where
    coalesce(compared.target_value - compared.target_of_months, 1) <> 0
    or coalesce(compared.target_to_date - compared.to_date_of_months, 1) <> 0
