-- Who sells, now; one row per person.
select
    rep as rep_id,
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
from ({{ latest_rows('office', 'reps') }}) as latest
