{# From delivered text to typed rows, and from typed rows to the newest version of each key. #}


{# Every delivered row of a table, typed, as an incremental log: rows of deliveries that raw no longer holds go, rows
   of deliveries not yet in the log come. `columns` lists [delivered column, type, options]; types are text, integer,
   decimal, date, timestamp, boolean. Options: required (empty is unreadable, too), decimal (the decimal mark; the
   other one may then part thousands, and blanks, too, but only in threes; `either` where a point or a comma is one and nothing parts
   thousands), thousands (what parts thousands beside a decimal point), ignore (a list of what does not count in numbers,
   such as currency signs), format (of dates that are not ISO: yyyymmdd, dd.mm.yyyy, dd/mm/yyyy, mm/dd/yyyy, mm/dd/yy; of
   timestamps: dd.mm.yyyy hh:mi:ss, mm/dd/yyyy hh:mi am), time_zone (of timestamps without an offset). A row that cannot
   be read carries `_reject_reason`, and no values in it.

   `_is_newest` tells the newest readable row of each key. It is NULL where a key must be ranked anew, which never
   outlives the transaction: before, the keys of rows that go are marked so; new rows come so; after, such keys are ranked.
   `_ranked_by` says by which rule a row was ranked, so that another key in the source's YAML ranks all rows anew. #}
{% macro typed_deliveries(source_name, table_name, columns) -%}
    {#- dbt parses the models of sources that are not enabled, too. -#}
    {%- set table = var('tables').get(source_name ~ '.' ~ table_name, {'key': ['_row_number'], 'newest_by': []}) -%}
    {{ require_key(source_name ~ '.' ~ table_name, table['key'], columns) }}
    {%- set hook_arguments = "'" ~ source_name ~ "', '" ~ table_name ~ "'" -%}
    {{ config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        pre_hook=[
            "{{ compare_deliveries(" ~ hook_arguments ~ ") }}",
            "{{ forget_replaced_deliveries(" ~ hook_arguments ~ ") }}",
        ],
        post_hook="{{ rank_unranked_keys(" ~ hook_arguments ~ ") }}",
    ) }}
with

delivered as (
    {{ deliveries_that_count(source_name, table_name) }}
),

{% if is_incremental() -%}
-- Joined rather than filtered by `exists`, since files of other days are skipped then.
new_deliveries as (
    select delivered.*
    from delivered
    inner join {{ this.identifier }}__deliveries as deliveries
        on delivered._delivered_on = deliveries._delivered_on and delivered._loaded_at = deliveries._loaded_at
    where deliveries.is_new
),
{%- else -%}
new_deliveries as (
    select * from delivered
),
{%- endif %}

typed as (
    select
        {%- for column in columns %}
        {{ typed_cell(column) }} as {{ column[0] }},
        {%- endfor %}
        _source_file,
        _row_number,
        _delivered_on,
        _loaded_at,
        coalesce(
            _problem,
            nullif(
                concat_ws(
                    '; '
                    {%- for column in columns %}
                    {%- if column[1] != 'text' %},
                    case
                        when trim({{ column[0] }}) <> '' and {{ typed_cell(column) }} is null
                            then '{{ column[0] | replace('"', '') | replace("'", "''") }}: cannot be read as {{ column[1] }}'
                    end
                    {%- endif %}
                    {%- if (column[2] or {}).required %},
                    case
                        when coalesce(trim({{ column[0] }}), '') = ''
                            then '{{ column[0] | replace('"', '') | replace("'", "''") }}: empty'
                    end
                    {%- endif %}
                    {%- endfor %}
                ),
                ''
            )
        ) as _reject_reason
    from new_deliveries
)

select
    *,
    {%- if is_incremental() %}
    case when _reject_reason is not null then false end as _is_newest,
    cast(null as string) as _ranked_by
    {%- else %}
    _reject_reason is null
    and {{ version_number(['_reject_reason is null'] + quoted_names(table['key']), table['newest_by']) }} = 1 as _is_newest,
    case when _reject_reason is null then '{{ ranking_rule(table) }}' end as _ranked_by
    {%- endif %}
from typed
{%- endmacro %}


{# The delivered rows of a table, without those of deliveries that the run was told to leave out. #}
{% macro deliveries_that_count(source_name, table_name) -%}
    select delivered.*
    from {{ source(source_name, table_name) }} as delivered
    where
        not exists (
            select 1
            from {{ source('pipeline', 'left_out_deliveries') }} as left_out
            where
                left_out.source = '{{ source_name }}'
                and left_out.table_name = '{{ table_name }}'
                and left_out.delivered_on = delivered._delivered_on
        )
{%- endmacro %}


{# Stops when the log lacks a column of the table's key: its rows could not be told apart. #}
{% macro require_key(table, key, columns) -%}
    {%- set typed = [] -%}
    {%- for column in columns -%}
        {%- do typed.append(column[0] | replace('"', '') | replace('`', '') | lower) -%}
    {%- endfor -%}
    {%- set lacking = key | reject('in', ['_source_file', '_row_number']) | map('lower') | reject('in', typed) | list -%}
    {%- if execute and lacking -%}
        {{ exceptions.raise_compiler_error(
            model.name ~ " lacks " ~ lacking | join(", ") ~ ", which the key of " ~ table ~ " names. List it in typed_deliveries(…)."
        ) }}
    {%- endif -%}
{%- endmacro %}


{% macro typed_cell(column) -%}
    {%- set name, type, options = column[0], column[1], column[2] or {} -%}
    {%- set number = without(name, options.ignore or []) -%}
    {%- if type == 'text' -%}
        nullif(trim({{ name }}), '')
    {%- elif type == 'integer' -%}
        {{ try_cast(whole_number(number), 'bigint') }}
    {%- elif type == 'decimal' and options.decimal == ',' -%}
        {{ try_cast(without_thousands("translate(trim(" ~ number ~ "), '., ', ',.,')"), 'decimal(18, 6)') }}
    {%- elif type == 'decimal' and options.decimal == 'either' -%}
        {{ try_cast(plain_number("replace(" ~ number ~ ", ',', '.')"), 'decimal(18, 6)') }}
    {%- elif type == 'decimal' and options.thousands -%}
        {%- set mark = options.thousands | replace("'", "''") -%}
        {%- set other = '' if mark == ',' else ',' -%}
        {{ try_cast(without_thousands("translate(trim(" ~ number ~ "), '" ~ mark ~ other ~ "', ',;')"), 'decimal(18, 6)') }}
    {%- elif type == 'decimal' -%}
        {{ try_cast(plain_number(number), 'decimal(18, 6)') }}
    {%- elif type == 'timestamp' and options.format -%}
        {{ try_local_timestamp(name, options.format, options.time_zone or 'UTC') }}
    {%- elif type == 'timestamp' -%}
        {{ try_timestamp(name, options.time_zone or 'UTC') }}
    {%- elif type == 'date' and options.format -%}
        {{ try_date(name, options.format) }}
    {%- elif type == 'date' -%}
        {{ try_cast(iso_date(name), type) }}
    {%- elif type == 'boolean' -%}
        {{ try_cast(name, type) }}
    {%- else -%}
        {{ exceptions.raise_compiler_error("typed_deliveries: column " ~ name ~ ": unknown type " ~ type) }}
    {%- endif -%}
{%- endmacro %}


{# `text` when it is a whole number; NULL otherwise, since a cast would round. #}
{% macro whole_number(text) -%}
    case when {{ matches(text, '^ *[-+]?[0-9]+([.]0*)? *$') }} then {{ text }} end
{%- endmacro %}


{# `text` when it is a number as people write it; NULL for 1_000, 0x10 or infinity, which some engines read, too. #}
{% macro plain_number(text) -%}
    case when {{ matches(text, '^ *[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]+)? *$') }} then {{ text }} end
{%- endmacro %}


{# `text` when it is a date with the year first, a time behind it or none; NULL for words that some engines read, too. #}
{% macro iso_date(text) -%}
    case when {{ matches(text, '^ *[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}([ T][0-9]{1,2}:[-+0-9:.Z ]*)? *$') }} then {{ text }} end
{%- endmacro %}


{# `text` without the commas that part thousands; NULL when they part anything else, since 12,50 is not 1250. #}
{% macro without_thousands(text) -%}
    case
        when {{ text }} not like '%,%' then {{ plain_number(text) }}
        when {{ matches(text, '^ *[-+]?[1-9][0-9]{0,2}(,[0-9]{3})+([.][0-9]*)? *$') }} then replace({{ text }}, ',', '')
    end
{%- endmacro %}


{# `text` without any of the given texts. #}
{% macro without(text, ignored) -%}
    {%- set left = namespace(sql=text) -%}
    {%- for part in ignored -%}
        {%- set left.sql = "replace(" ~ left.sql ~ ", '" ~ part | replace("'", "''") ~ "', '')" -%}
    {%- endfor -%}
    {{ return(left.sql) }}
{%- endmacro %}


{# Stands in a staging model for a column that the entity cannot do without and nobody has mapped yet: the model does not
   build, and says so. #}
{% macro unmapped(column, type) -%}
    {%- if execute -%}
        {{ exceptions.raise_compiler_error(
            model.name ~ ": " ~ column ~ " is not mapped. Write in the model what it is made from, in place of `unmapped`."
        ) }}
    {%- endif -%}
    cast(null as {{ type }})
{%- endmacro %}


{# The deliveries, days with their load time, that only raw or only the log holds, in a temporary table: all that follows
   in the transaction needs them, and whoever asks reads all days. #}
{% macro compare_deliveries(source_name, table_name) -%}
    {%- if is_incremental() -%}
    {%- if '_is_newest' not in adapter.get_columns_in_relation(this) | map(attribute='name') -%}
        {{ exceptions.raise_compiler_error(
            this.identifier ~ " was made by an older version of this pipeline. Have it made anew from raw: kpi run --full-refresh"
        ) }}
    {%- endif -%}
    create or replace temporary table {{ this.identifier }}__deliveries as
    select
        coalesce(delivered._delivered_on, seen._delivered_on) as _delivered_on,
        coalesce(delivered._loaded_at, seen._loaded_at) as _loaded_at,
        seen._delivered_on is null as is_new
    from (
        select distinct _delivered_on, _loaded_at from ({{ deliveries_that_count(source_name, table_name) }}) as counted
    ) as delivered
    full join (select distinct _delivered_on, _loaded_at from {{ this }}) as seen
        on delivered._delivered_on = seen._delivered_on and delivered._loaded_at = seen._loaded_at
    where delivered._delivered_on is null or seen._delivered_on is null
    {%- endif -%}
{%- endmacro %}


{# Deletes the rows of deliveries that only the log holds, and marks the keys whose newest row is among them. On most days
   there are none, and the log is not read. #}
{% macro forget_replaced_deliveries(source_name, table_name) -%}
    {%- if is_incremental() and run_query('select 1 from ' ~ this.identifier ~ '__deliveries where not is_new').rows -%}
    {%- set key = var('tables')[source_name ~ '.' ~ table_name]['key'] -%}
    update {{ this }} as kept
    set _is_newest = null
    from (
        select distinct {{ quoted_names(key, 'going') | join(', ') }}
        from {{ this }} as going
        inner join {{ this.identifier }}__deliveries as replaced
            on going._delivered_on = replaced._delivered_on and going._loaded_at = replaced._loaded_at
        where going._is_newest and not replaced.is_new
    ) as lost
    where kept._reject_reason is null and {{ same_key('lost', 'kept', key) }};
    delete from {{ this }} as seen
    where exists (
        select 1
        from {{ this.identifier }}__deliveries as replaced
        where
            not replaced.is_new
            and replaced._delivered_on = seen._delivered_on
            and replaced._loaded_at = seen._loaded_at
    )
    {%- endif -%}
{%- endmacro %}


{# Ranks all readable rows of the keys that have an unranked one, or one that was ranked by another rule. #}
{% macro rank_unranked_keys(source_name, table_name) -%}
    {%- if is_incremental() -%}
    {%- set table = var('tables')[source_name ~ '.' ~ table_name] -%}
    update {{ this }} as ranked
    set
        _is_newest = versions._version = 1,
        _ranked_by = '{{ ranking_rule(table) }}'
    from (
        select
            log._delivered_on,
            log._source_file,
            log._row_number,
            {{ version_number(quoted_names(table['key'], 'log'), table['newest_by'], 'log') }} as _version
        from {{ this }} as log
        inner join (
            select distinct {{ quoted_names(table['key']) | join(', ') }}
            from {{ this }}
            where _is_newest is null or _ranked_by <> '{{ ranking_rule(table) }}'
        ) as unranked
            on {{ same_key('unranked', 'log', table['key']) }}
        where log._reject_reason is null
    ) as versions
    where
        ranked._delivered_on = versions._delivered_on
        and ranked._source_file = versions._source_file
        and ranked._row_number = versions._row_number
    {%- endif -%}
{%- endmacro %}


{# What decides which row of a key is the newest, as one text. #}
{% macro ranking_rule(table) -%}
    {{ ('key ' ~ table['key'] | join(', ') ~ '; newest by ' ~ table['newest_by'] | join(', ')) | replace("'", "''") }}
{%- endmacro %}


{% macro same_key(one, other, key) -%}
    {%- for column in key -%}
    {{ one }}.{{ adapter.quote(column) }} is not distinct from {{ other }}.{{ adapter.quote(column) }}{{ ' and ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}


{# Column names in the marks that this engine puts around names, each with `relation` before it if one is given. #}
{% macro quoted_names(columns, relation='') -%}
    {%- set names = [] -%}
    {%- for column in columns -%}
        {%- do names.append((relation ~ '.' if relation else '') ~ adapter.quote(column)) -%}
    {%- endfor -%}
    {{ return(names) }}
{%- endmacro %}


{# 1 for the newest row of its `partition`: the greatest `newest_by` wins, then the later delivery, then the later row. #}
{% macro version_number(partition, newest_by, relation='') -%}
    {%- set order = [] -%}
    {%- for name in quoted_names(newest_by, relation) -%}
        {%- do order.append(name ~ ' desc nulls last') -%}
    {%- endfor -%}
    {%- for name in ['_delivered_on', '_source_file', '_row_number'] -%}
        {%- do order.append((relation ~ '.' if relation else '') ~ name ~ ' desc') -%}
    {%- endfor -%}
    row_number() over (partition by {{ partition | join(', ') }} order by {{ order | join(', ') }})
{%- endmacro %}


{# The readable versions of each key of a delivered table, one for each day that delivered one: its history. #}
{% macro versions_by_day(source_name, table_name) -%}
    {%- set table = var('tables').get(source_name ~ '.' ~ table_name, {'key': [], 'newest_by': []}) -%}
    select *
    from (
        select
            *,
            {{ version_number(quoted_names(table['key']) + ['_delivered_on'], table['newest_by']) }} as _version_of_day
        from {{ ref('base_' ~ source_name ~ '__' ~ table_name) }}
        where _reject_reason is null
    ) as versions
    where _version_of_day = 1
{%- endmacro %}


{# The newest readable row of each key of a delivered table, but of keys that were deleted none: those with a tombstone,
   and those that the newest snapshot lacks. A snapshot with a row whose key nobody can read says of no key that it is
   gone; a key whose row cannot be read otherwise is there. #}
{% macro latest_rows(source_name, table_name) -%}
    {%- set table = var('tables').get(source_name ~ '.' ~ table_name, {}) -%}
    {%- set log = ref('base_' ~ source_name ~ '__' ~ table_name) -%}
    select *
    from {{ log }} as newest
    where
        newest._is_newest
        {%- if table.get('tombstone') %}
        and not coalesce({{ table['tombstone'] }}, false)
        {%- endif %}
        {%- if table.get('deliveries') == 'snapshot' %}
        and exists (
            select 1
            from {{ log }} as present
            cross join (
                select max(_delivered_on) as _delivered_on
                from (
                    select _delivered_on
                    from {{ log }}
                    group by 1
                    {%- if not table.get('key_is_whole_row') %}
                    having count(case when {% for column in table['key'] -%}
                        {{ adapter.quote(column) }} is null{{ ' or ' if not loop.last }}
                        {%- endfor %} then 1 end) = 0
                    {%- endif %}
                ) as whole_deliveries
            ) as snapshot
            where
                present._delivered_on >= coalesce(snapshot._delivered_on, present._delivered_on)
                {%- for column in table['key'] %}
                and present.{{ adapter.quote(column) }} is not distinct from newest.{{ adapter.quote(column) }}
                {%- endfor %}
        )
        {%- endif %}
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
