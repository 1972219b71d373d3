-- Targets for the month and up to the as-of date; one row per month, KPI and company, team or rep with a target.
-- A team has its own target if one was given, or else the sum of its reps' targets, day by day; rates do not add up. The
-- company has only a given target: it also sells without reps, so the sum of their targets would flatter it.
with

quota_days as (
    select * from {{ ref('fct_quota_daily') }}
),

given as (
    select
        period_month,
        kpi_id,
        entity_type,
        entity_id,
        max(target_value) as target_value,
        max(case when is_elapsed then target_to_date end) as target_to_date
    from quota_days
    group by 1, 2, 3, 4
),

of_teams as (
    select
        period_month,
        kpi_id,
        'team' as entity_type,
        team as entity_id,
        sum(daily_target) as target_value,
        sum(case when is_elapsed then daily_target else 0 end) as target_to_date
    from quota_days
    where
        entity_type = 'rep'
        and is_additive
    group by 1, 2, 3, 4
),

not_given as (
    select of_teams.*
    from of_teams
    left join given using (period_month, kpi_id, entity_type, entity_id)
    where given.entity_id is null
)

select
    period_month,
    kpi_id,
    entity_type,
    entity_id,
    cast(target_value as decimal(18, 6)) as target_value,
    cast(target_to_date as decimal(18, 6)) as target_to_date
from given
union all
select
    period_month,
    kpi_id,
    entity_type,
    entity_id,
    cast(target_value as decimal(18, 6)) as target_value,
    cast(target_to_date as decimal(18, 6)) as target_to_date
from not_given
