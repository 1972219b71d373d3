-- The stages that each deal passed; one row per deal and stage that it entered.
-- A deal without history enters at its creation: its current stage while it is open, or else stage `unknown`. If its creation
-- date is unknown, it enters with the delivery that shows it.
with

stage_history as (
    select
        *,
        {{ business_date('changed_at') }} as changed_on
    from {{ ref('int_opportunity_stage_history') }}
),

parameters as (
    select * from {{ ref('int_run_parameters') }}
),

created as (
    select
        opportunities.opportunity_id,
        opportunities.created_at,
        coalesce(
            opportunities.created_at,
            cast(least(opportunities._delivered_on, parameters.as_of_date) as timestamp)
        ) as entered_at,
        coalesce(
            {{ business_date('opportunities.created_at') }}, least(opportunities._delivered_on, parameters.as_of_date)
        ) as entered_on
    from {{ ref('int_opportunities') }} as opportunities
    cross join parameters
),

opportunities as (
    select * from {{ ref('fct_opportunities') }}
),

recorded as (
    select
        stage_history.opportunity_id,
        stage_history.stage,
        stage_history.changed_at as entered_at,
        stage_history.changed_on as entered_on,
        stage_history.owner_id,
        false as is_derived,
        stage_history._source_file,
        stage_history._row_number
    from stage_history
    cross join parameters
    where
        stage_history.opportunity_id is not null
        and stage_history.changed_on <= parameters.as_of_date
),

first_recorded as (
    select
        opportunity_id,
        min(entered_at) as entered_at
    from recorded
    group by 1
),

at_creation as (
    select
        opportunities.opportunity_id,
        case
            when first_recorded.opportunity_id is null and not opportunities.is_closed then opportunities.stage
            else 'unknown'
        end as stage,
        created.entered_at,
        created.entered_on,
        opportunities.owner_id,
        true as is_derived,
        opportunities._source_file,
        opportunities._row_number
    from opportunities
    inner join created
        on opportunities.opportunity_id = created.opportunity_id
    left join first_recorded
        on opportunities.opportunity_id = first_recorded.opportunity_id
    where
        first_recorded.entered_at is null
        or first_recorded.entered_at > created.created_at
),

events as (
    select * from recorded
    union all
    select * from at_creation
),

ordered as (
    select
        *,
        row_number() over (partition by opportunity_id order by entered_at, _source_file, _row_number) as event_number,
        lead(entered_on) over (partition by opportunity_id order by entered_at, _source_file, _row_number)
            as next_entered_on
    from events
)

select
    ordered.opportunity_id,
    cast(ordered.event_number as bigint) as event_number,
    ordered.stage,
    coalesce(ordered.owner_id, opportunities.owner_id) as owner_id,
    opportunities.amount,
    ordered.entered_at,
    ordered.entered_on,
    -- If someone records further stages of a closed deal, this does not reopen the deal.
    case
        when opportunities.closed_on <= coalesce(ordered.next_entered_on, opportunities.closed_on)
            then greatest(opportunities.closed_on, ordered.entered_on)
        else ordered.next_entered_on
    end as left_on,
    -- A deal that was deleted, or has not been delivered yet, has nothing in the pipeline.
    opportunities.opportunity_id is not null
    and (opportunities.closed_on is null or ordered.entered_on < opportunities.closed_on) as is_open_stage,
    ordered.is_derived,
    ordered._source_file,
    ordered._row_number
from ordered
left join opportunities
    on ordered.opportunity_id = opportunities.opportunity_id
