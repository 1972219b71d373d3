-- Leads and how many became paying customers; one row per grain, period and company, SDR (rep), team, office, lead source
-- (channel) or campaign. There are offices only if some rep has one.
-- Cohort basis: leads created in the period, converted within [created, created + N days) or ever.
-- Activity basis: leads converted in the period, whenever they were created.
-- The team and office are the SDR's on the day that counts: created on the cohort basis, converted on the activity basis.
{% set cuts = {'channel': 'source', 'rep': 'sdr_id', 'team': 'team', 'office': 'office', 'campaign': 'campaign_id'} %}
{% set bases = {'leads_created': "basis = 'created'", 'leads_converted': "basis = 'converted'"} %}
{% set windows = [30, 60, 90] %}
-- The linter misjudges the layout of loops within a call.
-- noqa: disable=LT02
with

leads as (
    select * from {{ ref('fct_leads') }}
),

-- A lead counts on the day it was created, and again on the day it converted.
counted as (
    {%- for basis in ['created', 'converted'] %}
    select
        *,
        '{{ basis }}' as basis,
        {{ basis }}_on as counted_on,
        {{ basis }}_team as team,
        {{ basis }}_office as office
    from leads
    where {{ basis }}_on is not null
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

counted_in_periods as (
    {{ in_periods('counted', 'counted_on') }}
),

per_entity as (
    {% call by_cuts('counted_in_periods', ['grain', 'period_start'], cuts, optional=['office']) %}
        {{ part_columns('kpi_lead_conversion', bases) }},
        count(case when basis = 'created' then mql_on end) as mqls,
        count(case when basis = 'created' then sql_on end) as sqls
    {% endcall %}
),

spine as (
    {{ entity_periods('per_entity') }}
),

parameters as (
    select * from {{ ref('int_run_parameters') }}
)

select
    spine.grain,
    spine.period_start,
    spine.entity_type,
    spine.entity_id,
    cast(coalesce(per_entity.leads, 0) as bigint) as leads,
    cast(coalesce(per_entity.mqls, 0) as bigint) as mqls,
    cast(coalesce(per_entity.sqls, 0) as bigint) as sqls,
    {%- for window in windows %}
    cast(coalesce(per_entity.converted_{{ window }}d, 0) as bigint) as converted_{{ window }}d,
    {%- endfor %}
    cast(coalesce(per_entity.converted_ever, 0) as bigint) as converted_ever,
    cast(coalesce(per_entity.conversions, 0) as bigint) as conversions,
    {%- for window in windows %}
    case
        when {{ add_period('spine.period_end', 'day', window - 1) }} <= {{ add_period('parameters.as_of_date', 'day', 1) }}
            then {{ safe_divide('per_entity.converted_' ~ window ~ 'd', 'per_entity.leads') }}
    end as conversion_rate_{{ window }}d,
    {{ add_period('spine.period_end', 'day', window - 1) }} <= {{ add_period('parameters.as_of_date', 'day', 1) }}
        as is_mature_{{ window }}d,
    {%- endfor %}
    {{ safe_divide('per_entity.converted_ever', 'per_entity.leads') }} as conversion_rate_ever,
    {{ safe_divide('per_entity.conversions', 'per_entity.leads') }} as conversion_rate_activity,
    cast(per_entity.median_days_to_convert as double) as median_days_to_convert,
    cast(coalesce(per_entity.leads_touched, 0) as bigint) as leads_touched,
    cast(per_entity.median_hours_to_first_touch as double) as median_hours_to_first_touch,
    spine.is_partial_period
from spine
cross join parameters
left join per_entity using (grain, period_start, entity_type, entity_id)
