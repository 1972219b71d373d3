-- Stages that Pipedrive's deals were delivered in; one row per deal, stage and time it was entered.
-- The export tells the current stage and since when; before its first move, a deal is in the stage it was created in. What
-- deliveries have told stays known; a stage that was entered and left between two deliveries is not in it.
{{ config(materialized='table') }}
with

delivered as (
    select
        *,
        coalesce({{ quoted('Deal - Last stage change') }}, {{ quoted('Deal - Deal created') }}) as changed_at
    from {{ ref('base_pipedrive__deals') }}
    where
        _reject_reason is null
        and lower({{ quoted('Deal - Status') }}) <> 'deleted'
),

sighted as (
    select
        *,
        row_number() over (
            partition by {{ quoted('Deal - ID') }}, {{ quoted('Deal - Stage') }}, changed_at
            order by _delivered_on, _source_file, _row_number
        ) as sighting
    from delivered
)

select
    {{ quoted('Deal - ID') }} as opportunity_id,
    {{ quoted('Deal - Stage') }} as stage,
    changed_at,
    cast(null as string) as changed_by,
    {{ clean_label(quoted('Deal - Owner')) }} as owner_id,
    _source_file,
    _row_number,
    _delivered_on
from sighted
where sighting = 1
