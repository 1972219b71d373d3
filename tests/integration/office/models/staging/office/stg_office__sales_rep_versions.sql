-- Who sat in which team, and from when; one row per person and delivery that named them.
select
    rep as rep_id,
    _delivered_on as valid_from,
    cast(null as string) as name,
    'AE' as role,
    team,
    cast(null as string) as region,
    cast(null as string) as manager_id,
    cast(null as date) as hired_on,
    cast(null as date) as left_on,
    _source_file,
    _row_number,
    _delivered_on
from ({{ versions_by_day('office', 'reps') }}) as versions
