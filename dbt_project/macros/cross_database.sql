{# Expressions that DuckDB and Spark write differently, or get wrong. Models stay portable by using these macros. #}


{# numerator / denominator as a double. NULL, never inf or NaN, if the denominator is zero or missing. #}
{% macro safe_divide(numerator, denominator) -%}
    (cast({{ numerator }} as double) / nullif(cast({{ denominator }} as double), 0))
{%- endmacro %}


{# `text` as `data_type`; NULL if it cannot be converted. Blank text is NULL. #}
{% macro try_cast(text, data_type) -%}
    {{ return(adapter.dispatch('try_cast')(text, data_type)) }}
{%- endmacro %}

{% macro default__try_cast(text, data_type) -%}
    try_cast(nullif(trim({{ text }}), '') as {{ data_type }})
{%- endmacro %}


{# True if part of `text` matches the regular expression. #}
{% macro matches(text, pattern) -%}
    {{ return(adapter.dispatch('matches')(text, pattern)) }}
{%- endmacro %}

{% macro default__matches(text, pattern) -%}
    regexp_matches({{ text }}, '{{ pattern }}')
{%- endmacro %}

{% macro spark__matches(text, pattern) -%}
    {{ text }} rlike '{{ pattern }}'
{%- endmacro %}


{# `text` as a DATE, written as yyyymmdd, dd.mm.yyyy, dd/mm/yyyy, mm/dd/yyyy or mm/dd/yy; NULL if it is not such a date. #}
{% macro try_date(text, format) -%}
    {#- Where the format has yyyy, the year must have four digits: 31.01.25 is not a day in the year 25. -#}
    {%- set shape = format | replace('.', '[.]') | replace('yyyy', '[0-9]{4}') | replace('yy', '[0-9]{2}') -%}
    {%- set digits = '[0-9]{1,2}' if format != 'yyyymmdd' else '[0-9]{2}' -%}
    {%- set shape = shape | replace('month', '[A-Za-z]+') | replace('mon', '[A-Za-z]{3}') -%}
    {%- set shape = '^ *' ~ (shape | replace('mm', digits) | replace('dd', digits)) ~ ' *$' -%}
    case when {{ matches(text, shape) }} then {{ adapter.dispatch('try_date')(text, format) }} end
{%- endmacro %}

{% macro default__try_date(text, format) -%}
    {%- set pattern = format | replace('month', '%B') | replace('mon', '%b') | replace('yyyy', '%Y') | replace('yy', '%y')
        | replace('mm', '%m') | replace('dd', '%d') -%}
    cast(try_strptime(trim({{ text }}), '{{ pattern }}') as date)
{%- endmacro %}

{% macro spark__try_date(text, format) -%}
    cast({{ spark_moment('trim(' ~ text ~ ')', format) }} as date)
{%- endmacro %}

{# `text` as a timestamp. As in DuckDB, a year of two digits is one from 1969 to 2068; for Spark, all are after 2000. #}
{% macro spark_moment(text, format) -%}
    {%- set moment = "try_to_timestamp(" ~ text ~ ", '" ~ spark_pattern(format) ~ "')" -%}
    {%- if 'yyyy' in format -%}
    {{ moment }}
    {%- else -%}
    case when {{ moment }} >= timestamp '2069-01-01' then {{ moment }} - interval 100 years else {{ moment }} end
    {%- endif -%}
{%- endmacro %}

{# A format in the letters of Spark, for which MM are two digits and M one or two. #}
{% macro spark_pattern(format) -%}
    {%- set day, month = ('dd', 'MM') if 'yyyymmdd' in format else ('d', 'M') -%}
    {%- set pattern = format | replace('month', 'MMMM') | replace('mon', 'MMM') | replace('mm', month) | replace('dd', day) -%}
    {{ return(pattern | replace('hh', 'h' if format.endswith(' am') else 'H') | replace('mi', 'm') | replace('ss', 's')
        | replace(' am', ' a')) }}
{%- endmacro %}


{# `text` as a UTC timestamp. The text is a date, or a date and a time, with the year first. It may end in an offset, Z or UTC,
   also after a space (2025-01-31 10:00:00 -0500); without one, the time is in `time_zone`. NULL for any other text. #}
{% macro try_timestamp(text, time_zone='UTC') -%}
    {%- set day = '^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}' -%}
    {%- set time = '[ T][0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?' -%}
    {%- set written = "replace(replace(trim(" ~ text ~ "), '/', '-'), ' UTC', 'Z')" -%}
    {%- set closed_up = "replace(replace(replace(" ~ written ~ ", ' +', '+'), ' -', '-'), ' Z', 'Z')" -%}
    case
        when {{ matches(closed_up, day ~ time ~ '(Z|[+-][0-9]{2}(:?[0-9]{2})?)$') }}
            then {{ timestamp_with_offset(closed_up) }}
        when {{ matches(closed_up, day ~ '(' ~ time ~ ')?$') }}
            then {{ timestamp_in_zone(closed_up, time_zone) }}
    end
{%- endmacro %}

{% macro timestamp_with_offset(text) -%}
    {{ return(adapter.dispatch('timestamp_with_offset')(text)) }}
{%- endmacro %}

{% macro default__timestamp_with_offset(text) -%}
    timezone('UTC', {{ try_cast(text, 'timestamp with time zone') }})
{%- endmacro %}

{% macro spark__timestamp_with_offset(text) -%}
    cast(try_cast({{ text }} as timestamp_ltz) as timestamp)
{%- endmacro %}

{% macro timestamp_in_zone(text, time_zone) -%}
    {{ return(adapter.dispatch('timestamp_in_zone')(text, time_zone)) }}
{%- endmacro %}

{% macro default__timestamp_in_zone(text, time_zone) -%}
    timezone('UTC', timezone('{{ time_zone }}', {{ try_cast(text, 'timestamp') }}))
{%- endmacro %}

{% macro spark__timestamp_in_zone(text, time_zone) -%}
    to_utc_timestamp(try_to_timestamp({{ text }}), '{{ time_zone }}')
{%- endmacro %}


{# `text` as a UTC timestamp, written as in dd.mm.yyyy hh:mi:ss or mm/dd/yyyy hh:mi am, with the time in `time_zone`. NULL if
   it does not match the format. #}
{% macro try_local_timestamp(text, format, time_zone) -%}
    {{ return(adapter.dispatch('try_local_timestamp')(text, format, time_zone)) }}
{%- endmacro %}

{% macro default__try_local_timestamp(text, format, time_zone) -%}
    {%- set hour = '%I' if format.endswith(' am') else '%H' -%}
    {%- set pattern = format | replace(' am', ' %p') | replace('month', '%B') | replace('mon', '%b') | replace('yyyy', '%Y')
        | replace('yy', '%y') | replace('mm', '%m') | replace('dd', '%d') | replace('hh', hour) | replace('mi', '%M')
        | replace('ss', '%S') -%}
    timezone('UTC', timezone('{{ time_zone }}', try_strptime({{ time_after_blank(text, format) }}, '{{ pattern }}')))
{%- endmacro %}

{% macro spark__try_local_timestamp(text, format, time_zone) -%}
    to_utc_timestamp({{ spark_moment(time_after_blank(text, format), format) }}, '{{ time_zone }}')
{%- endmacro %}

{# `text` with a blank instead of the T before its time. A month may be called OCT. #}
{% macro time_after_blank(text, format) -%}
    {{ 'trim(' ~ text ~ ')' if 'mon' in format else "replace(trim(" ~ text ~ "), 'T', ' ')" }}
{%- endmacro %}


{# `text` as a UTC timestamp, if it is a date as spreadsheets store it: days since 1899-12-30, with the time in `time_zone` as
   a fraction. NULL for other numbers and for text. #}
{% macro try_serial_timestamp(text, time_zone) -%}
    {{ timestamp_in_zone('cast(' ~ serial_timestamp(text) ~ ' as string)', time_zone) }}
{%- endmacro %}

{# The same as a local timestamp. #}
{% macro serial_timestamp(text) -%}
    {%- set day = 'case when ' ~ matches(text, '^ *[1-9][0-9]{0,6}([.][0-9]*)? *$') ~ ' then ' ~ try_cast(text, 'double') ~ ' end' -%}
    {{ return(adapter.dispatch('serial_timestamp')('cast(round((' ~ day ~ ') * 86400) as bigint)')) }}
{%- endmacro %}

{% macro default__serial_timestamp(seconds) -%}
    (timestamp '1899-12-30 00:00:00' + to_seconds({{ seconds }}))
{%- endmacro %}

{% macro spark__serial_timestamp(seconds) -%}
    timestampadd(second, {{ seconds }}, timestamp '1899-12-30 00:00:00')
{%- endmacro %}


{# The date of a UTC timestamp in the time zone of the business. #}
{% macro business_date(utc_timestamp) -%}
    {{ return(adapter.dispatch('business_date')(utc_timestamp)) }}
{%- endmacro %}

{% macro default__business_date(utc_timestamp) -%}
    cast(timezone('{{ var("time_zone") }}', timezone('UTC', {{ utc_timestamp }})) as date)
{%- endmacro %}

{% macro spark__business_date(utc_timestamp) -%}
    cast(from_utc_timestamp({{ utc_timestamp }}, '{{ var("time_zone") }}') as date)
{%- endmacro %}


{# Whether a UTC timestamp is later than a day of the business. #}
{% macro is_after_day(utc_timestamp, day) -%}
    {{ return(adapter.dispatch('is_after_day')(utc_timestamp, day)) }}
{%- endmacro %}

{# The end of the day is found once; each row's date would be another conversion between time zones. Of a moment that comes
   twice, DuckDB takes the second one: the last moment of a day never comes later, while its midnight may. #}
{% macro default__is_after_day(utc_timestamp, day) -%}
    {%- set last = 'cast(' ~ add_period(day, 'day', 1) ~ " as timestamp) - interval '1 microsecond'" -%}
    {{ utc_timestamp }} > timezone('UTC', timezone('{{ var("time_zone") }}', {{ last }}))
{%- endmacro %}

{% macro spark__is_after_day(utc_timestamp, day) -%}
    {{ business_date(utc_timestamp) }} > {{ day }}
{%- endmacro %}


{# `date_value` plus a whole number of days, months and so on, as a DATE. #}
{% macro add_period(date_value, period, count) -%}
    cast({{ date_value }} + interval '{{ count }}' {{ period }} as date)
{%- endmacro %}


{# `date_value` plus a number of days that an expression computes, as a DATE. #}
{% macro add_days(date_value, days) -%}
    {{ return(adapter.dispatch('add_days')(date_value, days)) }}
{%- endmacro %}

{% macro default__add_days(date_value, days) -%}
    cast({{ date_value }} + cast({{ days }} as integer) as date)
{%- endmacro %}

{% macro spark__add_days(date_value, days) -%}
    date_add({{ date_value }}, cast({{ days }} as integer))
{%- endmacro %}


{# Whole days from one date to another; negative if `until` is the earlier date. #}
{% macro days_from(since, until) -%}
    {{ return(adapter.dispatch('days_from')(since, until)) }}
{%- endmacro %}

{% macro default__days_from(since, until) -%}
    date_diff('day', {{ since }}, {{ until }})
{%- endmacro %}

{% macro spark__days_from(since, until) -%}
    cast(datediff({{ until }}, {{ since }}) as bigint)
{%- endmacro %}


{# Hours from one UTC timestamp to another as a double, exact to the second; NULL if either is NULL. #}
{% macro hours_from(since, until) -%}
    {{ return(adapter.dispatch('hours_from')(since, until)) }}
{%- endmacro %}

{% macro default__hours_from(since, until) -%}
    (date_diff('second', {{ since }}, {{ until }}) / 3600.0e0)
{%- endmacro %}

{% macro spark__hours_from(since, until) -%}
    ((unix_timestamp({{ until }}) - unix_timestamp({{ since }})) / 3600.0e0)
{%- endmacro %}


{# One row per day or month in [first, last], in the column `name`. `bounds` is a relation with one row. #}
{% macro date_spine(bounds, first, last, name, period='day') -%}
    {{ return(adapter.dispatch('date_spine')(bounds, first, last, name, period)) }}
{%- endmacro %}

{% macro default__date_spine(bounds, first, last, name, period) -%}
    select cast(spine.{{ name }} as date) as {{ name }}
    from (
        select unnest(generate_series({{ first }}, {{ last }}, interval '1' {{ period }})) as {{ name }}
        from {{ bounds }}
    ) as spine
{%- endmacro %}

{% macro spark__date_spine(bounds, first, last, name, period) -%}
    select explode(sequence({{ first }}, {{ last }}, interval '1' {{ period }})) as {{ name }}
    from {{ bounds }}
{%- endmacro %}


{# The interpolated value below which `fraction` of the values lie. NULL values are ignored. #}
{% macro percentile(expression, fraction) -%}
    {{ return(adapter.dispatch('percentile')(expression, fraction)) }}
{%- endmacro %}

{% macro default__percentile(expression, fraction) -%}
    quantile_cont({{ expression }}, {{ fraction }})
{%- endmacro %}

{% macro spark__percentile(expression, fraction) -%}
    percentile({{ expression }}, {{ fraction }})
{%- endmacro %}


{# A text that is equal for two rows only if all `columns` are equal; NULL and '' differ. #}
{% macro surrogate_key(columns) -%}
    md5(concat_ws(
        chr(31),
        {%- for column in columns %}
        coalesce(cast({{ column }} as string), chr(30)){{ ',' if not loop.last }}
        {%- endfor %}
    ))
{%- endmacro %}


{# A column name in the quotes of this engine, for names with spaces and special characters as some exports have them. #}
{% macro quoted(name) -%}
    {{ adapter.quote(name) }}
{%- endmacro %}


{# A whole number that is equal for equal rows of `relation`, an alias. Different rows very rarely have the same number. For Spark,
   this is a `*`, beside which columns are grouped by name only. #}
{% macro row_hash(relation) -%}
    {{ return(adapter.dispatch('row_hash')(relation)) }}
{%- endmacro %}

{% macro default__row_hash(relation) -%}
    hash({{ relation }})
{%- endmacro %}

{% macro spark__row_hash(relation) -%}
    cast(xxhash64(struct({{ relation }}.*)) as decimal(38, 0))
{%- endmacro %}


{# `value` as an SQL text; NULL if it is none. #}
{% macro text(value) -%}
    {%- if value is none or value is undefined -%}
    cast(null as string)
    {%- else -%}
    '{{ (value | string).replace("'", "''") }}'
    {%- endif -%}
{%- endmacro %}
