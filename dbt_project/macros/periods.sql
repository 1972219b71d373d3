{# Weeks, months, quarters and years, and what a KPI mart does at every one of them. #}


{# The grains of all KPIs, from short to long. Weeks are ISO weeks, from Monday. Quarters and years are those of the fiscal year.
   A grain followed by `_to_date` has the earlier periods that the period in progress is compared with, cut to as many days. #}
{% macro grains() -%}
    {{ return(['week', 'month', 'quarter', 'year']) }}
{%- endmacro %}

{% macro to_date_grains(of=none) -%}
    {%- set names = [] -%}
    {%- for grain in of or grains() -%}
        {%- do names.append(grain ~ '_to_date') -%}
    {%- endfor -%}
    {{ return(names) }}
{%- endmacro %}


{# The first day of the week, month, quarter or year in which a date lies, as a DATE (date_trunc alone returns a timestamp). #}
{% macro period_start(grain, date_value) -%}
    {%- set shift = var('fiscal_year_start_month', 1) - 1 if grain in ('quarter', 'year') else 0 -%}
    {%- if shift -%}
    {%- set shifted = add_period(date_value, 'month', -shift) -%}
    {{ add_period("date_trunc('" ~ grain ~ "', " ~ shifted ~ ")", 'month', shift) }}
    {%- else -%}
    cast(date_trunc('{{ grain }}', {{ date_value }}) as date)
    {%- endif -%}
{%- endmacro %}


{# The first day of the period that begins `count` periods after the one that begins on `start`. #}
{% macro later_period(grain, start, count) -%}
    {%- set unit, length = {
        'week': ['day', 7], 'month': ['month', 1], 'quarter': ['month', 3], 'year': ['month', 12],
    }[grain] -%}
    {{ add_period(start, unit, count * length) }}
{%- endmacro %}


{# Every period of every grain, from an entity's first one in `relation` (grain, period_start, entity_type, entity_id) to that of
   the as-of date, so that no period without a row is skipped. #}
{% macro entity_periods(relation) -%}
    select
        periods.grain,
        periods.period_start,
        periods.period_end,
        periods.counted_until,
        periods.is_partial_period,
        entities.entity_type,
        entities.entity_id
    from (
        select grain, entity_type, entity_id, min(period_start) as first_period
        from {{ relation }}
        where grain in ({{ text_list(grains()) }})
        group by 1, 2, 3
    ) as entities
    inner join {{ ref('int_periods') }} as periods
        on
            periods.grain in (entities.grain, concat(entities.grain, '_to_date'))
            and periods.period_start >= entities.first_period
{%- endmacro %}


{# By what orders and their lines are cut: entity type → column. #}
{% macro order_cuts() -%}
    {{ return({
        'channel': 'channel', 'rep': 'rep_id', 'team': 'team', 'office': 'office', 'region': 'region', 'segment': 'segment',
    }) }}
{%- endmacro %}

{% macro product_cuts() -%}
    {{ return({'product': 'product_id', 'category': 'category'}) }}
{%- endmacro %}


{# The measures in the call's body, by the columns `keys`, for the company (unless false) and by each of the `cuts`: entity type →
   expression over the columns of `relation`. One scan computes all cuts; what belongs to no entity of a cut is `unassigned`. The
   `optional` cuts have rows only if some row of `relation` names an entity of theirs. #}
{% macro by_cuts(relation, keys, cuts, optional=[], company=true) -%}
    select
        {{ keys | join(', ') }},
        case
            {%- for entity_type in cuts %}
            when grouping(_{{ entity_type }}) = 0 then '{{ entity_type }}'
            {%- endfor %}
            else 'company'
        end as entity_type,
        case
            {%- for entity_type in cuts %}
            when grouping(_{{ entity_type }}) = 0 then _{{ entity_type }}
            {%- endfor %}
            else 'company'
        end as entity_id,
        {{ caller() }}
    from (
        select
            *,
            {%- for entity_type in optional %}
            count(nullif({{ cuts[entity_type] }}, 'unassigned')) over () > 0 as _names_{{ entity_type }},
            {%- endfor %}
            {%- for entity_type, entity_id in cuts.items() %}
            coalesce(cast({{ entity_id }} as string), 'unassigned') as _{{ entity_type }}{{ ',' if not loop.last }}
            {%- endfor %}
        from {{ relation }}
    ) as cut_by
    group by grouping sets (
        {{ '(' ~ keys | join(', ') ~ '),' if company }}
        {%- for entity_type in cuts %}
        ({{ keys | join(', ') }}, _{{ entity_type }}){{ ',' if not loop.last }}
        {%- endfor %}
    )
    {%- for entity_type in optional %}
    {{ 'having' if loop.first else 'and' }} (entity_type <> '{{ entity_type }}' or bool_or(_names_{{ entity_type }}))
    {%- endfor %}
{%- endmacro %}


{# `relation`, whose rows lie on the day `day`, once for each period that counts the day: adds grain and period_start. #}
{% macro in_periods(relation, day) -%}
    select
        {{ relation }}.*,
        period_days.grain,
        period_days.period_start
    from {{ relation }}
    inner join {{ ref('int_period_days') }} as period_days
        on {{ relation }}.{{ day }} = period_days.date_day
{%- endmacro %}


{# The `columns` of `relation`, which has rows by the day `day`, entity_type and entity_id, added up over the days of each period. #}
{% macro sums_in_periods(relation, day, columns) -%}
    select
        period_days.grain,
        period_days.period_start,
        {{ relation }}.entity_type,
        {{ relation }}.entity_id
        {%- for column in columns %},
        sum({{ relation }}.{{ column }}) as {{ column }}
        {%- endfor %}
    from {{ relation }}
    inner join {{ ref('int_period_days') }} as period_days
        on {{ relation }}.{{ day }} = period_days.date_day
    group by 1, 2, 3, 4
{%- endmacro %}
