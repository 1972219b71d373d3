-- What the CRM says about each SDR, account executive and manager, and since when; one row per person and delivery with them.
-- The CRM keeps no history of its own, so a version applies from the day on which it was delivered.
{{ config(materialized='table') }}
with

versions as (
    {{ versions_by_day('crm', 'sales_reps') }}
)

select
    rep_id,
    _delivered_on as valid_from,
    name,
    role,
    team,
    region,
    manager_id,
    hired_on,
    left_on,
    office,
    _source_file,
    _row_number,
    _delivered_on
from versions
