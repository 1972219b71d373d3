-- Weeks, months, quarters and years from the first business event to the as-of date; one row per grain and first day.
-- A grain that ends in `_to_date` has the earlier periods that the one in progress is compared with, cut to as many days as the
-- one in progress has had; a shorter period is not cut beyond its end.
with

parameters as (
    select * from {{ ref('int_run_parameters') }}
),

days as (
    select * from {{ ref('int_days') }}
),

starts as (
    {%- for grain in grains() %}
    select distinct
        '{{ grain }}' as grain,
        {{ period_start(grain, 'date_day') }} as period_start
    from days
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

bounds as (
    {%- for grain in grains() %}
    select
        grain,
        period_start,
        {{ later_period(grain, 'period_start', 1) }} as period_end,
        {{ later_period(grain, 'period_start', -1) }} as prior_period_start,
        -- The week 52 weeks before has the same weekdays, and dates that differ by one or two.
        {{ later_period(grain, 'period_start', {'week': -52, 'month': -12, 'quarter': -4, 'year': -1}[grain]) }}
            as last_year_period_start
    from starts
    where grain = '{{ grain }}'
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

periods as (
    select
        bounds.*,
        least(bounds.period_end, {{ add_period('parameters.as_of_date', 'day', 1) }}) as counted_until,
        bounds.period_end > {{ add_period('parameters.as_of_date', 'day', 1) }} as is_partial_period
    from bounds
    cross join parameters
),

compared_with as (
    select distinct
        concat(in_progress.grain, '_to_date') as grain,
        earlier.period_start,
        least(
            earlier.period_end,
            {{ add_days('earlier.period_start', days_from('in_progress.period_start', 'in_progress.counted_until')) }}
        ) as period_end,
        earlier.prior_period_start,
        earlier.last_year_period_start
    from periods as in_progress
    inner join periods as earlier
        on
            in_progress.grain = earlier.grain
            and earlier.period_start in (in_progress.prior_period_start, in_progress.last_year_period_start)
    where in_progress.is_partial_period
)

select
    grain,
    period_start,
    period_end,
    counted_until,
    prior_period_start,
    last_year_period_start,
    is_partial_period
from periods
union all
select
    grain,
    period_start,
    period_end,
    period_end as counted_until,
    prior_period_start,
    last_year_period_start,
    false as is_partial_period
from compared_with
