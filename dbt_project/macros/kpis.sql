{# What the KPI marts share. #}


{# `amount` at `rate`, rounded half away from zero to cents. NULL when there is no rate. #}
{% macro in_reporting_currency(amount, rate) -%}
    cast(round(cast({{ amount }} as decimal(24, 4)) * cast({{ rate }} as decimal(14, 8)), 2) as decimal(18, 2))
{%- endmacro %}


{# amount × part / whole, rounded to cents: exact, since the division of whole numbers errs only where it is no tie. #}
{% macro share_to_date(amount, part, whole) -%}
    (cast(floor((2 * cast({{ amount }} * 100 as bigint) * {{ part }} + {{ whole }}) / cast(2 * {{ whole }} as double)) as decimal(18, 0))
        * cast(0.01 as decimal(3, 2)))
{%- endmacro %}


{# (current − prior) / prior; NULL when there is no prior value or it is not above zero. #}
{% macro growth(current, prior) -%}
    case when {{ prior }} > 0 then {{ safe_divide('(' ~ current ~ ' - ' ~ prior ~ ')', prior) }} end
{%- endmacro %}


{# How many months later the month ends lie that so many days from any day of a month can reach: 1, 2, … #}
{% macro month_ends_within(days) -%}
    {{ return(range(1, days // 28 + 2)) }}
{%- endmacro %}


{# Every month from an entity's first one in `relation` (period_month, entity_type, entity_id) to the as-of date's. #}
{% macro entity_months(relation) -%}
    select
        months.month_start as period_month,
        months.next_month_start,
        months.is_partial_month as is_partial_period,
        entities.entity_type,
        entities.entity_id
    from (
        select entity_type, entity_id, min(period_month) as first_month
        from {{ relation }}
        group by 1, 2
    ) as entities
    inner join (
        select distinct month_start, next_month_start, is_partial_month from {{ ref('int_days') }}
    ) as months
        on months.month_start >= entities.first_month
{%- endmacro %}


{# What the sources that deliver an entity by the month have delivered of it, in one row: how many of them have rows, and the
   last month that all of these have. A month is in when a row of it, or of a later one, was delivered. #}
{% macro months_in(entity, day) -%}
    select
        count(*) = {{ var('monthly').get(entity, []) | length }} as is_each_source_in,
        min(last_month) as last_month
    from (
        select
            _source,
            {{ period_start('month', 'max(' ~ day ~ ')') }} as last_month
        from {{ ref('int_' ~ entity) }}
        where _source in ({{ text_list(var('monthly').get(entity, [])) }})
        group by 1
    ) as monthly_sources
{%- endmacro %}


{# Whether every source has delivered `month`, by the row of `months_in`; true where none delivers by the month. #}
{% macro month_is_in(months_in, month) -%}
    ({{ months_in }}.is_each_source_in and ({{ months_in }}.last_month is null or {{ month }} <= {{ months_in }}.last_month))
{%- endmacro %}


{# Bounds of the Wilson 95 % interval of a rate (Wilson 1927); NULL without cases. `sign` is - for the lower bound. #}
{% macro wilson_bound(successes, cases, sign) -%}
    {%- set z = 1.959963984540054 -%}
    {%- set p = safe_divide(successes, cases) -%}
    {%- set n = 'nullif(cast(' ~ cases ~ ' as double), 0)' -%}
    (
        ({{ p }} + {{ z * z / 2 }} / {{ n }}
        {{ sign }} {{ z }} * sqrt({{ p }} * (1 - {{ p }}) / {{ n }} + {{ z * z / 4 }} / ({{ n }} * {{ n }})))
        / (1 + {{ z * z }} / {{ n }})
    )
{%- endmacro %}


{# Bounds of the 95 % interval of an NPS in points, from Var = (p + d − (p − d)²) / n; NULL without answers. The normal
   approximation may pass 100: the bound is kept on the scale. #}
{% macro nps_bound(promoters, detractors, responses, sign) -%}
    {%- set p, d = safe_divide(promoters, responses), safe_divide(detractors, responses) -%}
    case
        when {{ responses }} > 0
            then
                {{ 'greatest' if sign == '-' else 'least' }}(
                    100 * ({{ p }} - {{ d }}) {{ sign }} 100 * 1.959963984540054 * sqrt(
                        ({{ p }} + {{ d }} - ({{ p }} - {{ d }}) * ({{ p }} - {{ d }})) / cast({{ responses }} as double)
                    ),
                    cast({{ sign }}100 as double)
                )
    end
{%- endmacro %}


{# `amount`, zero where there is none; NULL when no source delivers one of the `entities` that it is made of. #}
{% macro zero_if_delivered(amount, entities) -%}
    {%- if entities | reject('in', delivered_entities()) | list -%}
    cast(null as decimal(18, 2))
    {%- else -%}
    coalesce({{ amount }}, 0)
    {%- endif -%}
{%- endmacro %}


{# Texts as an SQL list; a list that matches nothing when there are none. #}
{% macro text_list(texts) -%}
    {%- for text in texts -%}
    '{{ text | replace("'", "''") }}'{{ ', ' if not loop.last }}
    {%- else -%}
    'no such text'
    {%- endfor -%}
{%- endmacro %}
