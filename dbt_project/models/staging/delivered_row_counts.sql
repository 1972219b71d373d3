-- Where every delivered row went: raw = good + quarantined + superseded + left out; one row per source, table and delivery
-- day. A good row is the newest version of its key, and a superseded row is a readable row that is not. All rows of a delivery
-- are left out if its checks rejected it, or if a person decided so.
{{ config(materialized='table') }}
with
{% for name in var('tables') %}
{%- set source_name, table_name = name.split('.') %}

{{ source_name }}__{{ table_name }}_raw as (
    select
        _delivered_on,
        count(*) as raw_rows
    from {{ source(source_name, table_name) }}
    group by 1
),

{{ source_name }}__{{ table_name }}_typed as (
    select
        _delivered_on,
        count(case when _is_newest then 1 end) as good_rows,
        count(_reject_reason) as quarantined_rows,
        count(case when _reject_reason is null and not _is_newest then 1 end) as superseded_rows
    from {{ ref('base_' ~ source_name ~ '__' ~ table_name) }}
    group by 1
){{ ',' if not loop.last }}
{%- endfor %}
{% for name in var('tables') %}
{%- set source_name, table_name = name.split('.') %}
select
    '{{ source_name }}' as source,
    '{{ table_name }}' as table_name,
    delivered._delivered_on as delivered_on,
    delivered.raw_rows,
    coalesce(typed.good_rows, 0) as good_rows,
    coalesce(typed.quarantined_rows, 0) as quarantined_rows,
    coalesce(typed.superseded_rows, 0) as superseded_rows,
    case when left_out.delivered_on is null then 0 else delivered.raw_rows end as left_out_rows
from {{ source_name }}__{{ table_name }}_raw as delivered
left join {{ source_name }}__{{ table_name }}_typed as typed
    on delivered._delivered_on = typed._delivered_on
left join {{ source('pipeline', 'left_out_deliveries') }} as left_out
    on
        delivered._delivered_on = left_out.delivered_on
        and left_out.source = '{{ source_name }}'
        and left_out.table_name = '{{ table_name }}'
{{ 'union all' if not loop.last }}
{%- endfor %}
