-- Delivered rows that could not be read, with the reason and their position; one row per such row.
-- The cells themselves stay in raw, addressed by file and row number.
{{ config(materialized='table') }}
{% for name in var('tables') %}
{%- set source_name, table_name = name.split('.') %}
select
    {{ surrogate_key(["'" ~ source_name ~ "'", "'" ~ table_name ~ "'", '_source_file', '_row_number']) }} as quarantine_id,
    '{{ source_name }}' as source,
    '{{ table_name }}' as table_name,
    _delivered_on as delivered_on,
    _source_file as source_file,
    _row_number as row_number,
    _reject_reason as reason
from {{ ref('base_' ~ source_name ~ '__' ~ table_name) }}
where _reject_reason is not null
{{ 'union all' if not loop.last }}
{%- endfor %}
