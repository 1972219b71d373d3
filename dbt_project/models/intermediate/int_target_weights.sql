-- How the targets of a month are spread over its days; one row per day of a month that has targets.
-- A day weighs as much as days of its kind brought the company on average, in net revenue, in the twelve months before its month.
-- Each weekday is a kind, and public holidays are another. So no target depends on revenue of its own month or of a later one,
-- and it changes only if revenue before its month is corrected. For a month that has not begun, the twelve months end with the
-- last complete one. Without a year of history, or a kind of day in it, every day of the month weighs the same.
with

parameters as (
    select * from {{ ref('int_run_parameters') }}
),

months_with_targets as (
    select distinct {{ period_start('month', 'period_month') }} as period_month
    from {{ ref('int_quotas') }}
),

history as (
    select covered_from from {{ ref('int_histories') }}
    where entity = 'orders'
),

revenue as (
    select
        business_date,
        sum(net_amount) as net_amount
    from {{ ref('kpi_revenue__daily') }}
    group by 1
),

-- To the end of the month in which the last period ends: the whole year in progress can have targets.
calendar as (
    select
        min(case when grain = 'month' then period_start end) as first_day,
        {{ add_period(
            add_period(period_start('month', add_period('max(period_end)', 'day', -1)), 'month', 1), 'day', -1
        ) }} as last_day
    from {{ ref('int_periods') }}
),

days as (
    {{ date_spine('calendar', 'first_day', 'last_day', 'date_day') }}
),

dates as (
    select
        days.date_day,
        {{ period_start('month', 'days.date_day') }} as period_month,
        -- 0 is Monday, 6 is Sunday, 7 is a public holiday.
        case
            when holidays.holiday_date is null
                then {{ days_from(period_start('week', 'days.date_day'), 'days.date_day') }}
            else 7
        end as kind_of_day
    from days
    left join {{ source('pipeline', 'public_holidays') }} as holidays
        on days.date_day = holidays.holiday_date
),

months as (
    select
        period_month,
        {{ add_period('past_until', 'month', -12) }} as past_since,
        past_until
    from (
        select
            months_with_targets.period_month,
            least(months_with_targets.period_month, {{ period_start('month', 'parameters.as_of_date') }}) as past_until
        from months_with_targets
        cross join parameters
    ) as pasts
),

revenue_of_kinds as (
    select
        months.period_month,
        past.kind_of_day,
        -- More can be given back than was sold, but no day has a target below zero for that.
        greatest({{ safe_divide('sum(coalesce(revenue.net_amount, 0))', 'count(*)') }}, 0) as mean_revenue
    from months
    inner join history
        on months.past_since >= history.covered_from
    inner join dates as past
        on
            months.past_since <= past.date_day
            and months.past_until > past.date_day
    left join revenue
        on past.date_day = revenue.business_date
    group by 1, 2
),

compared as (
    select
        dates.date_day,
        dates.period_month,
        {{ safe_divide(
            'revenue_of_kinds.mean_revenue', 'max(revenue_of_kinds.mean_revenue) over (partition by dates.period_month)'
        ) }} as share_of_strongest
    from dates
    inner join months_with_targets
        on dates.period_month = months_with_targets.period_month
    left join revenue_of_kinds
        on
            dates.period_month = revenue_of_kinds.period_month
            and dates.kind_of_day = revenue_of_kinds.kind_of_day
),

judged as (
    select
        *,
        count(*) over (partition by period_month) = count(share_of_strongest) over (partition by period_month) as has_history
    from compared
),

-- Whole numbers, so that sums of shares are exact: ten-thousandths of the month's strongest day.
weighed as (
    select
        date_day,
        period_month,
        case when has_history then 'history' else 'even' end as spread_by,
        case when has_history then cast(round(10000 * share_of_strongest) as bigint) else 1 end as weight
    from judged
)

select
    date_day,
    period_month,
    spread_by,
    cast(weight as bigint) as weight,
    cast(sum(weight) over (partition by period_month order by date_day) - weight as bigint) as weight_before,
    cast(sum(weight) over (partition by period_month order by date_day) as bigint) as weight_to_date,
    cast(sum(weight) over (partition by period_month) as bigint) as month_weight
from weighed
