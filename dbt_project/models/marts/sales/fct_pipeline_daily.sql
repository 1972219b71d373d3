-- The open pipeline at the end of each day; one row per day, owner and stage with open deals.
-- Built from the deals that entered and left each stage, so that any past day can be reproduced at any time.
with

stage_events as (
    select
        *,
        coalesce(owner_id, 'unassigned') as rep_id
    from {{ ref('fct_opportunity_stage_events') }}
    where is_open_stage
),

days as (
    select date_day from {{ ref('int_days') }}
),

sales_reps as (
    select * from {{ ref('int_sales_rep_versions') }}
),

entries as (
    select
        entered_on as date_day,
        rep_id,
        stage,
        1 as opportunities,
        coalesce(amount, 0) as amount
    from stage_events
    union all
    select
        left_on as date_day,
        rep_id,
        stage,
        -1 as opportunities,
        -coalesce(amount, 0) as amount
    from stage_events
    where left_on is not null
),

changes as (
    select
        date_day,
        rep_id,
        stage,
        sum(opportunities) as opportunities,
        sum(amount) as amount
    from entries
    group by 1, 2, 3
),

pipelines as (
    select
        rep_id,
        stage,
        min(date_day) as first_day
    from changes
    group by 1, 2
),

running as (
    select
        days.date_day,
        pipelines.rep_id,
        pipelines.stage,
        sum(changes.opportunities) over through_day as open_opportunities,
        sum(changes.amount) over through_day as open_amount
    from pipelines
    inner join days
        on pipelines.first_day <= days.date_day
    left join changes using (date_day, rep_id, stage)
    window
        through_day as (
            partition by pipelines.rep_id, pipelines.stage
            order by days.date_day
            rows between unbounded preceding and current row
        )
)

select
    running.date_day,
    running.rep_id,
    coalesce(sales_reps.team, 'unassigned') as team,
    coalesce(sales_reps.office, 'unassigned') as office,
    running.stage,
    cast(running.open_opportunities as bigint) as open_opportunities,
    cast(running.open_amount as decimal(18, 2)) as open_amount
from running
left join sales_reps
    on
        running.rep_id = sales_reps.rep_id
        and running.date_day >= sales_reps.valid_from
        and running.date_day < sales_reps.valid_until
where running.open_opportunities > 0
