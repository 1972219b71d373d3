-- Weeks, months, quarters and years from the first business event to the as-of date; one row per grain and first day.
-- The period in progress is compared with the first days of earlier periods, as many as it has had so far:
-- [prior_period_start, prior_to_date_end) and [last_year_period_start, last_year_to_date_end).
{% set years_of_calendar = var('fiscal_year_start_month') == 1 %}
{% set year = 'year(' ~ add_period(later_period('year', period_start('year', 'periods.period_start'), 1), 'day', -1) ~ ')' %}
{% set thursday = add_period('periods.period_start', 'day', 3) %}
with

periods as (
    select * from {{ ref('int_periods') }}
)

select
    periods.grain,
    periods.period_start,
    periods.period_end,
    -- An ISO week belongs to the year of its Thursday, and a fiscal year is named after the year in which it ends.
    case periods.grain
        when 'week'
            then
                concat(
                    year({{ thursday }}),
                    '-W',
                    lpad(cast(cast(floor((dayofyear({{ thursday }}) - 1) / 7) as integer) + 1 as string), 2, '0')
                )
        when 'month'
            then
                concat(
                    year(periods.period_start), '-', lpad(cast(month(periods.period_start) as string), 2, '0')
                )
        when 'quarter'
            then
                concat(
                    '{{ '' if years_of_calendar else 'FY' }}',
                    {{ year }},
                    '{{ '-' if years_of_calendar else ' ' }}Q',
                    cast(
                        floor(
                            {{ days_from(period_start('year', 'periods.period_start'), 'periods.period_start') }} / 85
                        ) as integer
                    )
                    + 1
                )
        else concat('{{ '' if years_of_calendar else 'FY' }}', {{ year }})
    end as period_label,
    not periods.is_partial_period as is_complete,
    cast({{ days_from('periods.period_start', 'periods.period_end') }} as bigint) as days,
    cast({{ days_from('periods.period_start', 'periods.counted_until') }} as bigint) as days_elapsed,
    periods.prior_period_start,
    prior_to_date.period_end as prior_to_date_end,
    periods.last_year_period_start,
    last_year_to_date.period_end as last_year_to_date_end
from periods
left join periods as prior_to_date
    on
        prior_to_date.grain = concat(periods.grain, '_to_date')
        and periods.prior_period_start = prior_to_date.period_start
        and periods.is_partial_period
left join periods as last_year_to_date
    on
        last_year_to_date.grain = concat(periods.grain, '_to_date')
        and periods.last_year_period_start = last_year_to_date.period_start
        and periods.is_partial_period
where periods.grain in ({{ text_list(grains()) }})
