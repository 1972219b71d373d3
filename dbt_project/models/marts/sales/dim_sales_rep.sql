-- Sales reps and their teams over time; one row per person and span [valid_from, valid_until) in which nothing changed.
select
    rep_id,
    valid_from,
    valid_until,
    is_current,
    rep_name,
    role,
    team,
    office,
    region,
    manager_id,
    hired_on,
    left_on,
    _source_file,
    _row_number
from {{ ref('int_sales_rep_versions') }}
