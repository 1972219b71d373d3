{# From delivered text to typed rows, and from typed rows to the newest version of each key. #}


{# All delivered rows of a table, typed, as an incremental delivery log. Rows of deliveries that raw no longer holds are
   deleted, and rows of deliveries that are not yet in the log are added.

   `columns` lists [delivered column, type, options]. Types: text, integer, decimal, date, timestamp, boolean. Options:
   - required: an empty cell is also unreadable.
   - decimal: the decimal mark. The other mark and blanks may then separate thousands, but only in groups of three. `either`
     means that the point and the comma are both decimal marks; where a number has both, the first separates thousands, as
     blanks do. A comma before exactly three digits can be either, and is not read.
   - thousands: the thousands separator beside a decimal point. For integers only `any`: points, commas and blanks.
   - ignore: a list of texts that are skipped in numbers, such as currency signs.
   - format: for dates that are not ISO, yyyymmdd, dd.mm.yyyy, dd/mm/yyyy, mm/dd/yyyy or mm/dd/yy; for timestamps,
     dd.mm.yyyy hh:mi:ss or mm/dd/yyyy hh:mi am; in both, `mon` is an English month such as Jan, and `month` one such as
     January: dd-mon-yyyy; for both, excel: days since 1899-12-30, as spreadsheets store them.
   - time_zone: the zone of timestamps without an offset.
   A number may have its minus at its end, or be in brackets instead, as accountants write it.
   A row that cannot be read has a `_reject_reason`, and all its values are NULL.

   `_is_newest` marks the newest readable row of each key. It is NULL if a key must be ranked again, but only within the
   transaction: first the keys of deleted rows are set to NULL, new rows are added with NULL, and finally these keys are ranked.
   `_ranked_by` holds the rule by which a row was ranked, so that all rows are ranked again if the key in the source's YAML
   changes. #}
{% macro delivery_log(source_name, table_name, columns) -%}
    {#- dbt also parses the models of sources that are not enabled. -#}
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
                    '; ',
                    cast(null as string)
                    {%- for column in columns %}
                    {%- if column[1] != 'text' %},
                    case
                        when trim({{ column[0] }}) <> '' and {{ typed_cell(column) }} is null
                            then concat(
                                '{{ column[0] | replace('"', '') | replace("'", "''") }}: cannot be read as {{ column[1] }}',
                                {{ kind_of_unreadable(column) }}
                            )
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


{# The name of `delivery_log` before version 0.2. #}
{% macro typed_deliveries(source_name, table_name, columns) -%}
    {%- if execute -%}
    {%- do exceptions.warn(model.name ~ ": typed_deliveries(…) is deprecated, its name is delivery_log(…).") -%}
    {%- endif -%}
    {{ delivery_log(source_name, table_name, columns) }}
{%- endmacro %}


{# The delivered rows of a table, except those of deliveries that the run leaves out. #}
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


{# Raises an error if the log lacks a column of the table's key, because its rows could not be distinguished. #}
{% macro require_key(table, key, columns) -%}
    {%- set typed = [] -%}
    {%- for column in columns -%}
        {%- do typed.append(column[0] | replace('"', '') | replace('`', '') | lower) -%}
    {%- endfor -%}
    {%- set lacking = key | reject('in', ['_source_file', '_row_number']) | map('lower') | reject('in', typed) | list -%}
    {%- if execute and lacking -%}
        {{ exceptions.raise_compiler_error(
            model.name ~ " lacks " ~ lacking | join(", ") ~ ", which the key of " ~ table ~ " names. List it in delivery_log(…)."
        ) }}
    {%- endif -%}
{%- endmacro %}


{# What the reason adds about an unreadable number: that it is negative, or has separated thousands. A check warns if all
   unreadable cells of a column are of one of these kinds, since the KPIs then lack the refunds, or the largest amounts. #}
{% macro kind_of_unreadable(column) -%}
    {%- if column[1] in ('integer', 'decimal') -%}
        case
            when {{ matches(column[0], '^[^0-9A-Za-z]*[-(][^0-9A-Za-z]*[0-9]|[0-9] *[-)] *$') }} then ' (negative)'
            when {{ matches(column[0], '[0-9][., ][0-9]{3}([., ]|$)') }} then ' (thousands)'
            else ''
        end
    {%- else -%}
        ''
    {%- endif -%}
{%- endmacro %}


{% macro typed_cell(column) -%}
    {%- set name, type, options = column[0], column[1], column[2] or {} -%}
    {%- set number = minus_in_front(without(name, options.ignore or [])) if type in ('integer', 'decimal') else name -%}
    {%- if type == 'text' -%}
        nullif(trim({{ name }}), '')
    {%- elif type == 'integer' and options.thousands == 'any' -%}
        {{ try_cast(whole_number_without_thousands(number), 'bigint') }}
    {%- elif type == 'integer' -%}
        {{ try_cast(whole_number(number), 'bigint') }}
    {%- elif type == 'decimal' and options.decimal == ',' -%}
        {{ try_cast(without_thousands("translate(trim(" ~ number ~ "), '., ', ',.,')"), 'decimal(18, 6)') }}
    {%- elif type == 'decimal' and options.decimal == 'either' -%}
        {{ try_cast(number_of_either_mark(number), 'decimal(18, 6)') }}
    {%- elif type == 'decimal' and options.thousands -%}
        {%- set mark = options.thousands | replace("'", "''") -%}
        {%- set other = '' if mark == ',' else ',' -%}
        {{ try_cast(without_thousands("translate(trim(" ~ number ~ "), '" ~ mark ~ other ~ "', ',;')"), 'decimal(18, 6)') }}
    {%- elif type == 'decimal' -%}
        {{ try_cast(plain_number(number), 'decimal(18, 6)') }}
    {%- elif type == 'timestamp' and options.format == 'excel' -%}
        {{ try_serial_timestamp(name, options.time_zone or 'UTC') }}
    {%- elif type == 'date' and options.format == 'excel' -%}
        cast({{ serial_timestamp(name) }} as date)
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
        {{ exceptions.raise_compiler_error("delivery_log: column " ~ name ~ ": unknown type " ~ type) }}
    {%- endif -%}
{%- endmacro %}


{# `text` with its minus in front, if it is written as (10.00) or 10.00-. #}
{% macro minus_in_front(text) -%}
    case
        when {{ matches(text, '^ *([(][^-()]+[)]|[^-()]+-) *$') }} then concat('-', trim(translate({{ text }}, '()-', '')))
        else {{ text }}
    end
{%- endmacro %}


{# `text` if it is a whole number; otherwise NULL, because a cast would round. #}
{% macro whole_number(text) -%}
    case when {{ matches(text, '^ *[-+]?[0-9]+([.]0*)? *$') }} then split_part({{ text }}, '.', 1) end
{%- endmacro %}


{# The blanks that separate thousands: a space, and the two that French pages write. #}
{% macro blanks() -%}
    {{ return(' \u00a0\u202f') }}
{%- endmacro %}


{# `text` if it is a whole number, without points, commas and blanks between groups of three digits. #}
{% macro whole_number_without_thousands(text) -%}
    case
        when {{ matches(text, '^ *[-+]?[1-9][0-9]{0,2}([.,' ~ blanks() ~ '][0-9]{3})+ *$') }}
            then translate({{ text }}, '.,{{ blanks() }}', '')
        else {{ whole_number(text) }}
    end
{%- endmacro %}


{# `text` if it is a number in ordinary notation; NULL for 1_000, 0x10 or infinity, which some engines also accept. #}
{% macro plain_number(text) -%}
    case when {{ matches(text, '^ *[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]+)? *$') }} then {{ text }} end
{%- endmacro %}


{# `text` if it is a date with the year first, with or without a time; NULL for words that some engines also accept. #}
{% macro iso_date(text) -%}
    case when {{ matches(text, '^ *[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}([ T][0-9]{1,2}:[-+0-9:.Z ]*)? *$') }} then {{ text }} end
{%- endmacro %}


{# `text` without commas that separate thousands; NULL if a comma has another meaning, since 12,50 is not 1250. #}
{% macro without_thousands(text) -%}
    case
        when {{ text }} not like '%,%' then {{ plain_number(text) }}
        when {{ matches(text, '^ *[-+]?[1-9][0-9]{0,2}(,[0-9]{3})+([.][0-9]*)? *$') }} then replace({{ text }}, ',', '')
    end
{%- endmacro %}


{# `text` with a decimal point, where a point or a comma is the decimal mark; NULL if that is ambiguous, since 1,250 is a
   thousand in one language and one in another. #}
{% macro number_of_either_mark(text) -%}
    case
        when {{ matches(text, '^ *[-+]?[1-9][0-9]{0,2}([' ~ blanks() ~ '][0-9]{3})+([.,][0-9]*)? *$') }}
            then {{ plain_number("replace(translate(" ~ text ~ ", '" ~ blanks() ~ "', ''), ',', '.')") }}
        when {{ text }} like '%,%.%' then {{ without_thousands(text) }}
        when {{ text }} like '%.%,%' then {{ without_thousands("translate(trim(" ~ text ~ "), '.,', ',.')") }}
        when not {{ matches(text, '^ *[-+]?[1-9][0-9]{0,2},[0-9]{3} *$') }}
            then {{ plain_number("replace(" ~ text ~ ", ',', '.')") }}
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


{# A placeholder in a staging model for a required column of the entity that nobody has mapped yet. The build fails with a
   message that says so. #}
{% macro unmapped(column, type) -%}
    {%- if execute -%}
        {{ exceptions.raise_compiler_error(
            model.name ~ ": " ~ column ~ " is not mapped. Write in the model what it is made from, in place of `unmapped`."
        ) }}
    {%- endif -%}
    cast(null as {{ type }})
{%- endmacro %}


{# The deliveries (days with their load time) that only raw or only the log holds, in a temporary table. Several statements of
   the transaction need them, and finding them means reading all days. #}
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


{# Ranks all readable rows of keys that have an unranked row, or a row that was ranked by another rule. #}
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


{# The rule that decides which row of a key is the newest, as one text. #}
{% macro ranking_rule(table) -%}
    {{ ('key ' ~ table['key'] | join(', ') ~ '; newest by ' ~ table['newest_by'] | join(', ')) | replace("'", "''") }}
{%- endmacro %}


{% macro same_key(one, other, key) -%}
    {%- for column in key -%}
    {{ one }}.{{ adapter.quote(column) }} is not distinct from {{ other }}.{{ adapter.quote(column) }}{{ ' and ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}


{# Column names in the quotes of this engine, each prefixed with `relation` if one is given. #}
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


{# The history of a delivered table: the readable versions of each key, one for each day on which the key was delivered. #}
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


{# The newest readable row of each key of a delivered table, without keys that were deleted: those with a tombstone, and
   those that the newest snapshot lacks. If the key of any row in a snapshot cannot be read, the snapshot does not show that
   a key was deleted. If only other cells of a row cannot be read, its key still counts as present. #}
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


{# The keys of `rows` that were not deleted, as `present_key`, where a delivered table has several rows per key: those in the
   newest snapshot, or all if the table has no snapshots. As in `latest_rows`, a snapshot with a row whose key cannot be read
   does not show that a key was deleted. #}
{% macro present_keys(source_name, table_name, key, rows) -%}
    select distinct {{ key }} as present_key
    from {{ rows }}
    {%- if var('tables').get(source_name ~ '.' ~ table_name, {}).get('deliveries') == 'snapshot' %}
    cross join (
        select max(whole_day) as newest_day
        from (
            select _delivered_on as whole_day
            from {{ rows }}
            group by 1
            having count(*) = count({{ key }})
        ) as whole_deliveries
    ) as snapshot
    where _delivered_on >= coalesce(newest_day, _delivered_on)
    {%- endif %}
{%- endmacro %}


{# A label that people choose in a form; NULL for the form's own placeholders. #}
{% macro clean_label(text) -%}
    case
        when lower(trim({{ text }})) in ('', 'select', 'unknown', 'n/a', 'na', 'none', 'null', '-', '(not set)') then null
        else trim({{ text }})
    end
{%- endmacro %}


{# The status of an order in lower case; `cancelled` for every word which says that nothing was sold. #}
{% macro order_status(text) -%}
    {%- set nothing_sold = 'cancel|annul|anul|storn|iptal|ptal ed|avbrut|makulerad|abgebrochen|abgelehnt|fehlgeschlagen'
        ~ '|odrzucon|nieudan|wygas|mislukt|verlopen|rechazad|recusad|rifiutat|misslyckad|fail|expired|declin|denied|reject'
        ~ '|refus|abandon|void|draft|entwurf|brouillon|szkic|bozza|borrador|rascunho|utkast|taslak|incomplete|quotation|devis' -%}
    {%- set status = 'lower(' ~ text ~ ')' -%}
    case
        when {{ matches(status, nothing_sold) }} and not {{ matches(status, 'part|teil|czesc|częś') }} then 'cancelled'
        else {{ status }}
    end
{%- endmacro %}


{# Replaces an e-mail address without revealing it: equal addresses have equal keys. #}
{% macro email_key(text) -%}
    md5(nullif(lower(trim({{ text }})), ''))
{%- endmacro %}


{# A job title or role as one of the roles that the KPIs use: SDR, AE or manager. Any other title stays unchanged. #}
{% macro sales_role(title) -%}
    case
        when lower({{ title }}) like '%account executive%' or lower({{ title }}) like '%account manager%' then 'AE'
        when lower({{ title }}) like '%manager%' or lower({{ title }}) like '%director%' or lower({{ title }}) like '%head of%'
            or lower({{ title }}) like 'vp%' or lower({{ title }}) like '%vice president%' then 'manager'
        when lower({{ title }}) like '%sdr%' or lower({{ title }}) like '%bdr%' or lower({{ title }}) like '%development%' then 'SDR'
        else trim({{ title }})
    end
{%- endmacro %}


{# How a deal in the stage called `label` ended: won, lost, or NULL while it is open. The settings name the stages that end a
   deal; otherwise the words won and lost do, alone or after closed, whatever digits and signs surround them. Some CRMs write
   the pipeline in brackets behind the stage, which makes no difference: Closed Won (Sales Pipeline), #10 Closed lost, Won. #}
{% macro stage_outcome(label) -%}
    {%- set name = "lower(trim(split_part(" ~ label ~ ", '(', 1)))" -%}
    {%- set words = "translate(" ~ name ~ ", ' 0123456789#&.:_/-', '')" -%}
    case
        when {{ is_named(label, var('won_stages')) }} then 'won'
        when {{ is_named(label, var('lost_stages')) }} then 'lost'
        when {{ words }} like 'closedwon%' or {{ words }} = 'won' then 'won'
        when {{ words }} like 'closedlost%' or {{ words }} = 'lost' then 'lost'
    end
{%- endmacro %}


{# Whether `label` is one of `names`, alone or followed by something in brackets; upper and lower case are the same. #}
{% macro is_named(label, names) -%}
    {%- set given = "lower(trim(" ~ label ~ "))" -%}
    (
        false
        {%- for name in names | map('trim') | map('lower') %}
        or {{ given }} = {{ text_list([name]) }}
        or left({{ given }}, {{ name | length + 2 }}) = {{ text_list([name ~ ' (']) }}
        {%- endfor %}
    )
{%- endmacro %}
