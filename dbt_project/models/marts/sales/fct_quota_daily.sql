-- Targets spread over the days of their month; one row per day, KPI and rep, team or company with a target.
-- Revenue is spread by the weights of the days, to the cent: the days of a month add up to its target. A rate or an average is
-- the same on each day.
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

weights as (
    select * from {{ ref('int_target_weights') }}
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
    cross join parameters
    left join teams
        on quotas.rep_id = teams.team
    left join catalogue
        on quotas.kpi_id = catalogue.kpi_id
    left join rates
        on
            least(quotas.period_month, parameters.as_of_date) = rates.date_day
            and quotas.currency_code = rates.currency_code
),

spread as (
    select
        weights.date_day,
        targets.*,
        case when targets.is_additive then weights.spread_by end as spread_by,
        case
            when targets.is_additive
                then {{ share_to_date('targets.target_value', 'weights.weight_to_date', 'weights.month_weight') }}
            else targets.target_value
        end as target_to_date,
        case
            when targets.is_additive
                then {{ share_to_date('targets.target_value', 'weights.weight_before', 'weights.month_weight') }}
        end as target_before
    from targets
    inner join weights
        on targets.period_month = weights.period_month
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
    case spread.entity_type when 'rep' then coalesce(sales_reps.office, 'unassigned') end as office,
    spread.kpi_id,
    spread.is_additive,
    spread.spread_by,
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
