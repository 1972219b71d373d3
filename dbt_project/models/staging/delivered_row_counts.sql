-- Where every delivered row went: raw = good + quarantined + superseded; one row per source, table and delivery day.
-- Good rows are the newest version of their key, superseded ones were readable but are not.
with
{% for name, table in var('tables').items() %}
{%- set source_name, table_name = name.split('.') %}

{{ source_name }}__{{ table_name }}_raw as (
    select
        _delivered_on,
        count(*) as raw_rows
    from {{ source(source_name, table_name) }}
    group by 1
),

{{ source_name }}__{{ table_name }}_readable as (
    select
        _delivered_on,
        sum(case when _version = 1 then 1 else 0 end) as good_rows,
        sum(case when _version > 1 then 1 else 0 end) as superseded_rows
    from ({{ rank_rows(source_name, table_name) }}) as versions
    group by 1
),

{{ source_name }}__{{ table_name }}_quarantined as (
    select
        _delivered_on,
        count(*) as quarantined_rows
    from {{ ref('base_' ~ source_name ~ '__' ~ table_name) }}
    where _reject_reason is not null
    group by 1
){{ ',' if not loop.last }}
{%- endfor %}
{% for name, table in var('tables').items() %}
{%- set source_name, table_name = name.split('.') %}
select
    '{{ source_name }}' as source,
    '{{ table_name }}' as table_name,
    delivered._delivered_on as delivered_on,
    delivered.raw_rows,
    cast(coalesce(readable.good_rows, 0) as bigint) as good_rows,
    cast(coalesce(quarantined.quarantined_rows, 0) as bigint) as quarantined_rows,
    cast(coalesce(readable.superseded_rows, 0) as bigint) as superseded_rows
from {{ source_name }}__{{ table_name }}_raw as delivered
left join {{ source_name }}__{{ table_name }}_readable as readable
    on delivered._delivered_on = readable._delivered_on
left join {{ source_name }}__{{ table_name }}_quarantined as quarantined
    on delivered._delivered_on = quarantined._delivered_on
{{ 'union all' if not loop.last }}
{%- endfor %}
