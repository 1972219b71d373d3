-- A failure means that `kpi why` explains a change in a period in progress that the scorecard does not show: the prior or last
-- year's value of a cell is not the one that is published for as many days of the earlier period.
{{ config(meta={'dagster': {'ref': {'name': 'kpi_scorecard__to_date'}}}) }}
{% set comparisons = {'prior': 'prior_period_start', 'last_year': 'last_year_period_start'} %}
with

scorecard as (
    select * from {{ ref('kpi_scorecard') }}
    where is_partial_period
),

to_date as (
    select * from {{ ref('kpi_scorecard__to_date') }}
    where status = 'ok'
),

periods as (
    select * from {{ ref('dim_period') }}
),

compared as (
    {%- for name, start in comparisons.items() %}
    select
        scorecard.grain,
        scorecard.period_start,
        scorecard.kpi_id,
        scorecard.variant,
        scorecard.entity_type,
        scorecard.entity_id,
        scorecard.{{ name }}_value as value_of_scorecard,
        to_date.value as value_to_date
    from scorecard
    inner join periods
        on
            scorecard.grain = periods.grain
            and scorecard.period_start = periods.period_start
    left join to_date
        on
            scorecard.grain = to_date.grain
            and periods.{{ start }} = to_date.period_start
            and scorecard.kpi_id = to_date.kpi_id
            and scorecard.variant = to_date.variant
            and scorecard.entity_type = to_date.entity_type
            and scorecard.entity_id = to_date.entity_id
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select * from compared
where coalesce(value_of_scorecard, 0) <> coalesce(value_to_date, 0)
