-- Good rows of staging that not every KPI counts, and why; one row per source, table or entity, delivery day and reason.
-- Published as `meta.left_out_rows`.
select
    source,
    table_name,
    entity,
    delivered_on,
    left_out_of,
    reason,
    is_expected,
    cast(sum(number_of_rows) as bigint) as left_out_rows,
    min(source_file) as first_file,
    min_by(first_row_number, source_file) as first_row_number
from {{ ref('int_accounted_rows') }}
where reason is not null
group by 1, 2, 3, 4, 5, 6, 7
