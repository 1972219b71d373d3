-- Targets spread over the days of their month; one row per day, KPI and rep, team or company with a target.
-- Revenue is spread evenly, to the cent: the days of a month add up to its target. A rate or an average is the same on each day.
with

quotas as (
    select
        quotas.rep_id,
        {{ period_start('month', 'quotas.period_month') }} as period_month,
        quotas.kpi_id,
        quotas.target_value,
        quotas.currency_code,
        quotas._source_file,
        quotas._row_number
    from {{ ref('int_quotas') }} as quotas
),

catalogue as (
    select
        kpi_id,
        is_additive
    from {{ ref('kpi_catalogue') }}
),

sales_reps as (
    select * from {{ ref('int_sales_rep_versions') }}
),

teams as (
    select distinct team from sales_reps
    where team is not null
),

rates as (
    select * from {{ ref('int_fx_rates_daily') }}
),

parameters as (
    select * from {{ ref('int_run_parameters') }}
),

calendar as (
    select
        min(int_days.month_start) as first_day,
        {{ add_period('max(int_days.next_month_start)', 'day', -1) }} as last_day
    from {{ ref('int_days') }} as int_days
),

days as (
    {{ date_spine('calendar', 'first_day', 'last_day', 'date_day') }}
),

dates as (
    select
        date_day,
        {{ period_start('month', 'date_day') }} as period_month,
        {{ days_from(period_start('month', 'date_day'), 'date_day') }} + 1 as day_of_month,
        {{ days_from(period_start('month', 'date_day'), add_period(period_start('month', 'date_day'), 'month', 1)) }}
            as days_in_month
    from days
),

targets as (
    select
        quotas.period_month,
        case
            when quotas.rep_id = 'company' then 'company'
            when teams.team is not null then 'team'
            else 'rep'
        end as entity_type,
        quotas.rep_id as entity_id,
        quotas.kpi_id,
        coalesce(catalogue.is_additive, false) as is_additive,
        -- A target without a currency is a rate or a count.
        case
            when quotas.currency_code is null then cast(quotas.target_value as decimal(18, 6))
            else cast({{ in_reporting_currency('quotas.target_value', 'rates.rate') }} as decimal(18, 6))
        end as target_value,
        quotas._source_file,
        quotas._row_number
    from quotas
    left join teams
        on quotas.rep_id = teams.team
    left join catalogue
        on quotas.kpi_id = catalogue.kpi_id
    left join rates
        on
            quotas.period_month = rates.date_day
            and quotas.currency_code = rates.currency_code
),

spread as (
    select
        dates.date_day,
        dates.day_of_month,
        targets.*,
        case
            when targets.is_additive
                then {{ share_to_date('targets.target_value', 'dates.day_of_month', 'dates.days_in_month') }}
            else targets.target_value
        end as target_to_date,
        case
            when targets.is_additive
                then {{ share_to_date('targets.target_value', '(dates.day_of_month - 1)', 'dates.days_in_month') }}
        end as target_before
    from targets
    inner join dates
        on targets.period_month = dates.period_month
)

select
    spread.date_day,
    spread.period_month,
    spread.entity_type,
    spread.entity_id,
    case spread.entity_type
        when 'rep' then coalesce(sales_reps.team, 'unassigned')
        when 'team' then spread.entity_id
    end as team,
    spread.kpi_id,
    spread.is_additive,
    spread.target_value,
    cast(spread.target_to_date - spread.target_before as decimal(18, 2)) as daily_target,
    cast(spread.target_to_date as decimal(18, 6)) as target_to_date,
    spread.date_day <= parameters.as_of_date as is_elapsed,
    spread._source_file,
    spread._row_number
from spread
cross join parameters
left join sales_reps
    on
        spread.entity_type = 'rep'
        and spread.entity_id = sales_reps.rep_id
        and spread.date_day >= sales_reps.valid_from
        and spread.date_day < sales_reps.valid_until
