-- The delivered files that landed; one row per source, table, delivery day and file. Published as `meta.delivered_files`.
{{ config(materialized='table') }}
{% for name in var('tables') %}
{%- set source_name, table_name = name.split('.') %}
select
    '{{ source_name }}' as source,
    '{{ table_name }}' as table_name,
    _delivered_on as delivered_on,
    _source_file as source_file,
    count(*) as raw_rows
from {{ source(source_name, table_name) }}
group by 1, 2, 3, 4
{{ 'union all' if not loop.last }}
{%- endfor %}
