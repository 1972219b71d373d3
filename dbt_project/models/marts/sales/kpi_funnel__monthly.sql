-- How far the leads of a month got; one row per month, stage and company, SDR (rep), team, lead source (channel) or campaign.
-- A lead that reached a stage has reached all stages before it, even if nobody recorded them.
{% set stages = ['lead', 'mql', 'sql', 'opportunity', 'won'] %}
{% set cuts = {
    'company': "'company'", 'channel': 'source', 'rep': 'sdr_id', 'team': 'created_team', 'campaign': 'campaign_id',
} %}
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

reached as (
    {%- for entity_type, entity_id in cuts.items() %}
    {%- set last_cut = loop.last %}
    {%- for stage in stages %}
    select
        {{ period_start('month', 'created_on') }} as period_month,
        '{{ entity_type }}' as entity_type,
        coalesce({{ entity_id }}, 'unassigned') as entity_id,
        {{ loop.index }} as stage_number,
        '{{ stage }}' as stage,
        count(*) as leads,
        sum(case when furthest_stage >= {{ loop.index }} then 1 else 0 end) as leads_reached,
        sum(case when furthest_stage >= {{ [loop.index0, 1] | max }} then 1 else 0 end) as leads_reached_before,
        {{ percentile(
            'case when ' ~ stage ~ '_reached_on >= created_on then '
            ~ days_from('created_on', stage ~ '_reached_on') ~ ' end',
            0.5
        ) }} as median_days_to_reach
    from furthest
    where created_on is not null
    group by 1, 2, 3
    {{ 'union all' if not (last_cut and loop.last) }}
    {%- endfor %}
    {%- endfor %}
),

months as (
    select distinct month_start, is_partial_month from {{ ref('int_days') }}
)

select
    reached.period_month,
    reached.entity_type,
    reached.entity_id,
    cast(reached.stage_number as bigint) as stage_number,
    reached.stage,
    cast(reached.leads as bigint) as leads,
    cast(reached.leads_reached as bigint) as leads_reached,
    {{ safe_divide('reached.leads_reached', 'reached.leads') }} as share_of_leads,
    {{ safe_divide('reached.leads_reached', 'reached.leads_reached_before') }} as share_of_stage_before,
    cast(reached.median_days_to_reach as double) as median_days_to_reach,
    months.is_partial_month as is_partial_period
from reached
inner join months
    on reached.period_month = months.month_start
