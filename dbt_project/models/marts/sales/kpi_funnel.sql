-- How far the leads of a period got; one row per grain, period, stage and company, SDR (rep), team, lead source (channel) or
-- campaign.
-- A lead that reached a stage has reached all stages before it, even if nobody recorded them.
{% set stages = ['lead', 'mql', 'sql', 'opportunity', 'won'] %}
{% set cuts = {'channel': 'source', 'rep': 'sdr_id', 'team': 'created_team', 'campaign': 'campaign_id'} %}
-- The linter misjudges the layout of loops within a call.
-- noqa: disable=LT02
with

leads as (
    select
        *,
        created_on as lead_reached_on,
        mql_on as mql_reached_on,
        sql_on as sql_reached_on,
        opportunity_on as opportunity_reached_on,
        coalesce(won_on, converted_on) as won_reached_on
    from {{ ref('fct_leads') }}
),

furthest as (
    select
        leads.*,
        case
            {%- for stage in stages | reverse %}
            when {{ stage }}_reached_on is not null then {{ stages | length - loop.index0 }}
            {%- if stage == 'opportunity' %}
            when leads.opportunities > 0 then {{ stages | length - loop.index0 }}
            {%- endif %}
            {%- endfor %}
        end as furthest_stage
    from leads
),

furthest_in_periods as (
    {{ in_periods('furthest', 'created_on') }}
),

per_entity as (
    {% call by_cuts('furthest_in_periods', ['grain', 'period_start'], cuts) %}
        {%- for stage in stages %}
        sum(case when furthest_stage >= {{ loop.index }} then 1 else 0 end) as leads_reached_{{ stage }},
        {{ percentile(
            'case when ' ~ stage ~ '_reached_on >= created_on then '
            ~ days_from('created_on', stage ~ '_reached_on') ~ ' end',
            0.5
        ) }} as median_days_to_{{ stage }},
        {%- endfor %}
        count(*) as leads
    {% endcall %}
),

per_stage as (
    {%- for stage in stages %}
    select
        grain,
        period_start,
        entity_type,
        entity_id,
        {{ loop.index }} as stage_number,
        '{{ stage }}' as stage,
        leads,
        leads_reached_{{ stage }} as leads_reached,
        leads_reached_{{ stages[[loop.index0 - 1, 0] | max] }} as leads_reached_before,
        median_days_to_{{ stage }} as median_days_to_reach
    from per_entity
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select
    per_stage.grain,
    per_stage.period_start,
    per_stage.entity_type,
    per_stage.entity_id,
    cast(per_stage.stage_number as bigint) as stage_number,
    per_stage.stage,
    cast(per_stage.leads as bigint) as leads,
    cast(per_stage.leads_reached as bigint) as leads_reached,
    {{ safe_divide('per_stage.leads_reached', 'per_stage.leads') }} as share_of_leads,
    {{ safe_divide('per_stage.leads_reached', 'per_stage.leads_reached_before') }} as share_of_stage_before,
    cast(per_stage.median_days_to_reach as double) as median_days_to_reach,
    periods.is_partial_period
from per_stage
inner join {{ ref('int_periods') }} as periods
    on
        per_stage.grain = periods.grain
        and per_stage.period_start = periods.period_start
