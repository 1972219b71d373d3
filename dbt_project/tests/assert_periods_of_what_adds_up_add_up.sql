-- A failure means that months do not add up to their quarter, or quarters to their year, for a variant that adds up, in some cut:
-- a period lost rows, or counted them twice. Margin is left out: it is unknown for the periods with an item of unknown cost,
-- which are other ones at each grain. A whole that waits for deliveries has no value yet.
{% set additive = [] %}
{%- for measure in scorecard_measures()
    if measure.kind == 'sum' and measure.adds_up is not false and measure.variant != 'margin' -%}
    {%- do additive.append(measure.kpi ~ ' ' ~ measure.variant) -%}
{%- endfor -%}
with

scorecard as (
    select * from {{ ref('kpi_scorecard') }}
    where
        concat(kpi_id, ' ', variant) in ({{ text_list(additive) }})
        and status <> 'no_source'
),

parts as (
    select
        case grain when 'month' then 'quarter' else 'year' end as grain,
        case grain
            when 'month' then {{ period_start('quarter', 'period_start') }} else {{ period_start('year', 'period_start') }}
        end as period_start,
        kpi_id,
        variant,
        entity_type,
        entity_id,
        sum(value) as value_of_parts
    from scorecard
    where grain in ('month', 'quarter')
    group by 1, 2, 3, 4, 5, 6
)

select
    scorecard.grain,
    scorecard.period_start,
    scorecard.kpi_id,
    scorecard.variant,
    scorecard.entity_type,
    scorecard.entity_id,
    scorecard.value,
    parts.value_of_parts
from scorecard
left join parts using (grain, period_start, kpi_id, variant, entity_type, entity_id)
where
    scorecard.grain in ('quarter', 'year')
    and scorecard.value <> coalesce(parts.value_of_parts, 0)
