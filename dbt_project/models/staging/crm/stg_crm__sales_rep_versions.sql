-- What the CRM said of each SDR, account executive and manager, and from when; one row per person and delivery that named them.
-- The CRM keeps no history of its own, so that a version holds from the day it was delivered.
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
    _source_file,
    _row_number,
    _delivered_on
from versions
