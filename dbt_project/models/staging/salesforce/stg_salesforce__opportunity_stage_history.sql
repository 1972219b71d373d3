-- Stage changes of Salesforce's opportunities; one row per opportunity, stage and time.
-- OpportunityHistory also has rows for changes of amount, probability or close date. Only rows that change the stage count.
{{ config(materialized='table') }}
with

latest as (
    {{ latest_rows('salesforce', 'opportunity_history') }}
),

ordered as (
    select
        *,
        lag(stagename) over (partition by opportunityid order by createddate, id) as prior_stage
    from latest
    where not coalesce(isdeleted, false)
)

select
    opportunityid as opportunity_id,
    stagename as stage,
    createddate as changed_at,
    createdbyid as changed_by,
    cast(null as string) as owner_id,
    _source_file,
    _row_number,
    _delivered_on
from ordered
where prior_stage is null or prior_stage <> stagename
