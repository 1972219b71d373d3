-- Sales people as they are now; one row per person.
select
    rep_id,
    coalesce(name, rep_id) as rep_name,
    role,
    team,
    region,
    manager_id,
    hired_on,
    left_on,
    _source_file,
    _row_number
from {{ ref('int_sales_reps') }}
