{# From delivered text to typed rows, and from typed rows to the newest version of each key. #}


{# Every delivered row of a table, typed, as an incremental log: rows of deliveries that raw no longer holds go, rows
   of deliveries not yet in the log come. `columns` lists [delivered column, type, options]; types are text, integer,
   decimal, date, timestamp, boolean. Options: required (empty is unreadable, too), decimal (the decimal mark),
   format (of dates that are not ISO: yyyymmdd, dd.mm.yyyy, dd/mm/yyyy, mm/dd/yyyy, mm/dd/yy), time_zone (of timestamps without an offset). A row that cannot be read carries `_reject_reason`, and no values in it. #}
{% macro typed_deliveries(source_name, table_name, columns) -%}
    {{ config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        pre_hook="{{ forget_replaced_deliveries('" ~ source_name ~ "', '" ~ table_name ~ "') }}",
    ) }}
with

delivered as (
    select * from {{ source(source_name, table_name) }}
),

new_deliveries as (
    select delivered.*
    from delivered
    {%- if is_incremental() %}
    where not exists (
        select 1
        from {{ this }} as seen
        where seen._delivered_on = delivered._delivered_on and seen._loaded_at = delivered._loaded_at
    )
    {%- endif %}
)

select
    {%- for column in columns %}
    {{ typed_cell(column) }} as {{ column[0] }},
    {%- endfor %}
    _source_file,
    _row_number,
    _delivered_on,
    _loaded_at,
    nullif(
        concat_ws(
            '; '
            {%- for column in columns %}
            {%- if column[1] != 'text' %},
            case
                when trim({{ column[0] }}) <> '' and {{ typed_cell(column) }} is null
                    then '{{ column[0] | replace('"', '') }}: cannot be read as {{ column[1] }}'
            end
            {%- endif %}
            {%- if (column[2] or {}).required %},
            case when coalesce(trim({{ column[0] }}), '') = '' then '{{ column[0] | replace('"', '') }}: empty' end
            {%- endif %}
            {%- endfor %}
        ),
        ''
    ) as _reject_reason
from new_deliveries
{%- endmacro %}


{% macro typed_cell(column) -%}
    {%- set name, type, options = column[0], column[1], column[2] or {} -%}
    {%- if type == 'text' -%}
        nullif(trim({{ name }}), '')
    {%- elif type == 'integer' -%}
        {{ try_cast(name, 'bigint') }}
    {%- elif type == 'decimal' and options.decimal == ',' -%}
        {{ try_cast("replace(replace(" ~ name ~ ", '.', ''), ',', '.')", 'decimal(18, 6)') }}
    {%- elif type == 'decimal' -%}
        {{ try_cast(name, 'decimal(18, 6)') }}
    {%- elif type == 'timestamp' -%}
        {{ try_timestamp(name, options.time_zone or 'UTC') }}
    {%- elif type == 'date' and options.format -%}
        {{ try_date(name, options.format) }}
    {%- elif type in ('date', 'boolean') -%}
        {{ try_cast(name, type) }}
    {%- else -%}
        {{ exceptions.raise_compiler_error("typed_deliveries: column " ~ name ~ ": unknown type " ~ type) }}
    {%- endif -%}
{%- endmacro %}


{% macro forget_replaced_deliveries(source_name, table_name) -%}
    {%- if is_incremental() -%}
    delete from {{ this }} as seen
    where not exists (
        select 1
        from {{ source(source_name, table_name) }} as delivered
        where delivered._delivered_on = seen._delivered_on and delivered._loaded_at = seen._loaded_at
    )
    {%- endif -%}
{%- endmacro %}


{# Every row with `_version`, 1 for the newest of its key: the greatest `newest_by` wins, then the later delivery, then
   the later row. #}
{% macro rank_versions(relation, key, newest_by=[]) -%}
    select
        *,
        row_number() over (
            partition by {% for column in key %}{{ adapter.quote(column) }}{{ ', ' if not loop.last }}{% endfor %}
            order by
                {%- for column in newest_by %}
                {{ adapter.quote(column) }} desc nulls last,
                {%- endfor %}
                _delivered_on desc,
                _source_file desc,
                _row_number desc
        ) as _version
    from {{ relation }}
{%- endmacro %}


{% macro readable_rows(source_name, table_name) -%}
    (select * from {{ ref('base_' ~ source_name ~ '__' ~ table_name) }} where _reject_reason is null) as readable
{%- endmacro %}


{# The readable rows of a delivered table, ranked; key and order stand in the source's YAML. #}
{% macro rank_rows(source_name, table_name) -%}
    {#- dbt parses the models of sources that are not enabled, too. -#}
    {%- set table = var('tables').get(source_name ~ '.' ~ table_name, {'key': [], 'newest_by': []}) -%}
    {{ rank_versions(readable_rows(source_name, table_name), table['key'], table['newest_by']) }}
{%- endmacro %}


{# The readable versions of each key of a delivered table, one for each day that delivered one: its history. #}
{% macro versions_by_day(source_name, table_name) -%}
    {%- set table = var('tables').get(source_name ~ '.' ~ table_name, {'key': [], 'newest_by': []}) -%}
    select * from (
        {{ rank_versions(
            readable_rows(source_name, table_name),
            table['key'] + ['_delivered_on'],
            table['newest_by'],
        ) }}
    ) as versions
    where _version = 1
{%- endmacro %}


{# The newest readable row of each key of a delivered table. #}
{% macro latest_rows(source_name, table_name) -%}
    select * from ({{ rank_rows(source_name, table_name) }}) as versions where _version = 1
{%- endmacro %}


{# A label people choose in a form: the form's own placeholders are no values. #}
{% macro clean_label(text) -%}
    case
        when lower(trim({{ text }})) in ('', 'select', 'unknown', 'n/a', 'na', 'none', 'null', '-', '(not set)') then null
        else trim({{ text }})
    end
{%- endmacro %}


{# Stands for an e-mail address without being one: equal addresses have equal keys. #}
{% macro email_key(text) -%}
    md5(nullif(lower(trim({{ text }})), ''))
{%- endmacro %}


{# A job title or role as one of those the KPIs know: SDR, AE or manager; another as it stands. #}
{% macro sales_role(title) -%}
    case
        when lower({{ title }}) like '%account executive%' or lower({{ title }}) like '%account manager%' then 'AE'
        when lower({{ title }}) like '%manager%' or lower({{ title }}) like '%director%' or lower({{ title }}) like '%head of%'
            or lower({{ title }}) like 'vp%' or lower({{ title }}) like '%vice president%' then 'manager'
        when lower({{ title }}) like '%sdr%' or lower({{ title }}) like '%bdr%' or lower({{ title }}) like '%development%' then 'SDR'
        else trim({{ title }})
    end
{%- endmacro %}
