-- Row counts of the staging models; one row per entity and source.
select
    entity,
    source,
    staged_rows
from (
    {%- for entity, sources in var('entities').items() %}
    {%- for source_name in sources %}
    select
        '{{ entity }}' as entity,
        '{{ source_name }}' as source,
        count(*) as staged_rows
    from {{ ref('stg_' ~ source_name ~ '__' ~ entity) }}
    union all
    {%- endfor %}
    {%- endfor %}
    select
        cast(null as string) as entity,
        cast(null as string) as source,
        cast(0 as bigint) as staged_rows
    where false
) as counts
{%- if has_source('sales_rep_versions') %}
-- A staff list without a history is read as a history.
where
    entity <> 'sales_reps'
    or source in ({{ text_list(var('entities').get('sales_rep_versions', [])) }})
{%- endif %}
