-- A failure means that a rep's revenue went to another team than the one the rep sat in that day, or to none.
{{ config(meta={'dagster': {'ref': {'name': 'kpi_revenue__daily'}}}) }}
with

teams as (
    select
        team,
        sum(net_amount) as net_amount
    from {{ ref('kpi_revenue__daily') }}
    group by 1
),

reps as (
    select
        coalesce(sales_reps.team, 'unassigned') as team,
        sum(daily.net_amount) as net_amount
    from {{ ref('kpi_revenue__daily') }} as daily
    left join {{ ref('dim_sales_rep') }} as sales_reps
        on
            daily.rep_id = sales_reps.rep_id
            and daily.business_date >= sales_reps.valid_from
            and daily.business_date < sales_reps.valid_until
    group by 1
)

select
    teams.team,
    teams.net_amount as team_amount,
    reps.net_amount as reps_amount
from teams
full join reps
    on teams.team = reps.team
where coalesce(teams.net_amount, 0) <> coalesce(reps.net_amount, 0)
