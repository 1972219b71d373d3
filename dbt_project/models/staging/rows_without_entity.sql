-- Good rows that no staging model takes over, and why; one row per source, table, delivery day, file and reason.
-- A staging model records the origin of each of its rows. Rows that it filters on purpose, such as failed charges, are included.
{{ config(materialized='table') }}
with
{%- for source_name in var('sources') %}

{{ source_name }}_taken as (
    {%- for entity in var('entities') if source_name in var('entities')[entity] %}
    select _source_file, _row_number from {{ ref('stg_' ~ source_name ~ '__' ~ entity) }}
    {{ 'union all' if not loop.last }}
    {%- else %}
    select cast(null as string) as _source_file, cast(null as bigint) as _row_number
    where false
    {%- endfor %}
){{ ',' if not loop.last }}
{%- endfor %}
{%- for name, table in var('tables').items() %}
{%- set source_name, table_name = name.split('.') %}
select
    '{{ source_name }}' as source,
    '{{ table_name }}' as table_name,
    log._delivered_on as delivered_on,
    log._source_file as source_file,
    {%- if table.get('tombstone') %}
    case when coalesce(log.{{ table['tombstone'] }}, false) then 'that were deleted' else 'that its staging models leave out' end
    {%- elif table.get('deliveries') == 'snapshot' %}
    case
        when log._delivered_on < newest.delivered_on then 'that the newest snapshot lacks'
        else 'that its staging models leave out'
    end
    {%- else %}
    'that its staging models leave out'
    {%- endif %} as reason,
    cast(count(*) as bigint) as number_of_rows,
    min(log._row_number) as first_row_number
from {{ ref('base_' ~ source_name ~ '__' ~ table_name) }} as log
{%- if table.get('deliveries') == 'snapshot' and not table.get('tombstone') %}
cross join (
    select max(_delivered_on) as delivered_on from {{ ref('base_' ~ source_name ~ '__' ~ table_name) }}
) as newest
{%- endif %}
left join {{ source_name }}_taken as taken
    on log._source_file = taken._source_file and log._row_number = taken._row_number
where
    log._is_newest
    and taken._row_number is null
group by 1, 2, 3, 4, 5
{{ 'union all' if not loop.last }}
{%- endfor %}
