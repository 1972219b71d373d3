-- Stage changes of the CRM's deals; one row per deal, stage and time.
with

latest as (
    {{ latest_rows('crm', 'stage_history') }}
)

select
    opportunity_id,
    stage,
    changed_at,
    changed_by,
    owner_id,
    _source_file,
    _row_number,
    _delivered_on
from latest
