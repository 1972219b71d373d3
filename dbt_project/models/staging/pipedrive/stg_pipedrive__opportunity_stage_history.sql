-- Stages in which Pipedrive's deals were delivered; one row per deal, stage and time of entry.
-- The export contains the current stage and its start. Before its first move, a deal is in the stage in which it was created.
-- Stages from earlier deliveries are kept; stages that were entered and left between two deliveries are missing. Deals that were
-- deleted have no history.
{{ config(materialized='table') }}
with

delivered as (
    select
        *,
        coalesce({{ quoted('Deal - Last stage change') }}, {{ quoted('Deal - Deal created') }}) as changed_at
    from {{ ref('base_pipedrive__deals') }}
    where _reject_reason is null
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
where
    sighting = 1
    and {{ quoted('Deal - ID') }} in (select opportunity_id from {{ ref('stg_pipedrive__opportunities') }})
