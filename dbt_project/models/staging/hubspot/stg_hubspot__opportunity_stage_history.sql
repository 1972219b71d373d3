-- Stages in which HubSpot's deals were delivered; one row per deal, stage and time of entry.
-- The export contains the current stage and its start. Stages from earlier deliveries are kept, so history grows with each
-- delivery; it lacks stages that were entered and left between two deliveries. Deals that were deleted have no history.
{{ config(materialized='table') }}
with

delivered as (
    select
        *,
        row_number() over (
            partition by {{ quoted('Record ID') }}, {{ quoted('Deal Stage') }}, {{ quoted('Date entered current stage') }}
            order by _delivered_on, _source_file, _row_number
        ) as sighting
    from {{ ref('base_hubspot__deals') }}
    where
        _reject_reason is null
        and {{ quoted('Date entered current stage') }} is not null
)

select
    {{ quoted('Record ID') }} as opportunity_id,
    {{ quoted('Deal Stage') }} as stage,
    {{ quoted('Date entered current stage') }} as changed_at,
    cast(null as string) as changed_by,
    {{ clean_label(quoted('Deal owner')) }} as owner_id,
    _source_file,
    _row_number,
    _delivered_on
from delivered
where
    sighting = 1
    and {{ quoted('Record ID') }} in (select opportunity_id from {{ ref('stg_hubspot__opportunities') }})
