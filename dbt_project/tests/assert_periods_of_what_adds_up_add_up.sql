-- A failure means that months do not add up to their quarter, or quarters to their year, or that weeks hold more or less than
-- months, for a variant that adds up, in some cut: a period lost rows, or counted them twice. Margin is left out: it is unknown
-- for the periods with an item of unknown cost, which are other ones at each grain. A whole that waits for deliveries has no
-- value yet.
{% set additive, known_at_once = [], [] %}
{%- for measure in scorecard_measures() if measure.kind == 'sum' and measure.variant != 'margin' -%}
    {%- do additive.append(measure.kpi ~ ' ' ~ measure.variant) -%}
    {%- if not measure.mature -%}
        {%- do known_at_once.append(measure.kpi ~ ' ' ~ measure.variant) -%}
    {%- endif -%}
{%- endfor -%}
with

scorecard as (
    select * from {{ ref('kpi_scorecard') }}
    where
        concat(kpi_id, ' ', variant) in ({{ text_list(additive) }})
        and status <> 'no_source'
),

parts as (
    {%- for whole, part in [('quarter', 'month'), ('year', 'quarter')] %}
    select
        '{{ whole }}' as grain,
        {{ period_start(whole, 'period_start') }} as period_start,
        kpi_id,
        variant,
        entity_type,
        entity_id,
        sum(value) as value_of_parts
    from scorecard
    where grain = '{{ part }}'
    group by 1, 2, 3, 4, 5, 6
    union all
    {%- endfor %}
    select
        'all' as grain,
        cast(null as date) as period_start,
        kpi_id,
        variant,
        entity_type,
        entity_id,
        sum(value) as value_of_parts
    from scorecard
    where
        grain = 'week'
        and concat(kpi_id, ' ', variant) in ({{ text_list(known_at_once) }})
    group by 1, 2, 3, 4, 5, 6
),

wholes as (
    select
        grain,
        period_start,
        kpi_id,
        variant,
        entity_type,
        entity_id,
        value
    from scorecard
    where grain in ('quarter', 'year')
    union all
    select
        'all' as grain,
        cast(null as date) as period_start,
        kpi_id,
        variant,
        entity_type,
        entity_id,
        sum(value) as value
    from scorecard
    where
        grain = 'month'
        and concat(kpi_id, ' ', variant) in ({{ text_list(known_at_once) }})
    group by 1, 2, 3, 4, 5, 6
)

select
    wholes.*,
    parts.value_of_parts
from wholes
left join parts
    on
        wholes.grain = parts.grain
        and (wholes.period_start = parts.period_start or wholes.grain = 'all')
        and wholes.kpi_id = parts.kpi_id
        and wholes.variant = parts.variant
        and wholes.entity_type = parts.entity_type
        and wholes.entity_id = parts.entity_id
where wholes.value <> coalesce(parts.value_of_parts, 0)
