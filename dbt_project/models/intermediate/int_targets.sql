-- Targets of whole periods and up to the as-of date; one row per grain, period, KPI and company, team or rep with a target.
-- A team has its own target if one was given for the month, or else the sum of its reps' targets, day by day. The company has
-- only a given target: it also sells without reps, so the sum of their targets would flatter it.
-- Where days add up, a week, quarter or year has the sum of its days, if every month that it touches has a target: one month's
-- target is not a quarter's. Rates and averages have targets of months only. Over a quarter they would have to be weighted by
-- their denominators, such as the deals to be closed in each month, and nobody plans those.
with

quota_days as (
    select * from {{ ref('fct_quota_daily') }}
),

periods as (
    select
        grain,
        period_start,
        period_end,
        case
            when grain = 'year' then 12
            when grain = 'quarter' then 3
            when month(period_start) = month({{ add_period('period_end', 'day', -1) }}) then 1
            else 2
        end as months_touched
    from {{ ref('int_periods') }}
    where grain in ({{ text_list(grains()) }})
),

teams_with_targets as (
    select distinct
        period_month,
        kpi_id,
        entity_id
    from quota_days
    where entity_type = 'team'
),

of_days as (
    select
        date_day,
        period_month,
        kpi_id,
        entity_type,
        entity_id,
        daily_target,
        is_elapsed
    from quota_days
    where is_additive
    union all
    select
        of_reps.date_day,
        of_reps.period_month,
        of_reps.kpi_id,
        'team' as entity_type,
        of_reps.team as entity_id,
        of_reps.daily_target,
        of_reps.is_elapsed
    from quota_days as of_reps
    left join teams_with_targets
        on
            of_reps.period_month = teams_with_targets.period_month
            and of_reps.kpi_id = teams_with_targets.kpi_id
            and of_reps.team = teams_with_targets.entity_id
    where
        of_reps.entity_type = 'rep'
        and of_reps.is_additive
        and teams_with_targets.entity_id is null
),

of_periods as (
    select
        periods.grain,
        periods.period_start,
        of_days.kpi_id,
        of_days.entity_type,
        of_days.entity_id,
        sum(of_days.daily_target) as target_value,
        sum(case when of_days.is_elapsed then of_days.daily_target else 0 end) as target_to_date
    from periods
    inner join of_days
        on
            periods.period_start <= of_days.date_day
            and periods.period_end > of_days.date_day
    group by 1, 2, 3, 4, 5
    having
        count(distinct case when of_days.daily_target is not null then of_days.period_month end)
        = max(periods.months_touched)
),

of_months as (
    select distinct
        periods.grain,
        periods.period_start,
        quota_days.kpi_id,
        quota_days.entity_type,
        quota_days.entity_id,
        quota_days.target_value,
        quota_days.target_value as target_to_date
    from periods
    inner join quota_days
        on
            periods.grain = 'month'
            and periods.period_start = quota_days.period_month
    where not quota_days.is_additive
),

united as (
    select * from of_periods
    union all
    select * from of_months
)

select
    grain,
    period_start,
    kpi_id,
    entity_type,
    entity_id,
    cast(target_value as decimal(18, 6)) as target_value,
    cast(target_to_date as decimal(18, 6)) as target_to_date
from united
