-- SDRs, account executives and managers, newest version; one row per person.
with

latest as (
    {{ latest_rows('crm', 'sales_reps') }}
)

select
    rep_id,
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
from latest
