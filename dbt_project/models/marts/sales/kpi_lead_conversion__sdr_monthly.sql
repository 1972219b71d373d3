-- Leads and how many became paying customers; one row per month and company, SDR (rep), team, lead source
-- (channel) or campaign.
-- Cohort basis: leads created in the month, converted within [created, created + N days) or ever.
-- Activity basis: leads converted in the month, whenever they were created.
-- The team is the SDR's on the day that counts: created on the cohort basis, converted on the activity basis.
{% set cuts = {
    'company': ["'company'", "'company'"],
    'channel': ['source', 'source'],
    'rep': ['sdr_id', 'sdr_id'],
    'team': ['created_team', 'converted_team'],
    'campaign': ['campaign_id', 'campaign_id'],
} %}
{% set windows = [30, 60, 90] %}
with

leads as (
    select * from {{ ref('fct_leads') }}
),

created as (
    {%- for entity_type, (created_entity, _) in cuts.items() %}
    select
        {{ period_start('month', 'created_on') }} as period_month,
        '{{ entity_type }}' as entity_type,
        coalesce({{ created_entity }}, 'unassigned') as entity_id,
        count(*) as leads,
        count(mql_on) as mqls,
        count(sql_on) as sqls,
        {%- for window in windows %}
        sum(case when days_to_convert < {{ window }} then 1 else 0 end) as converted_{{ window }}d,
        {%- endfor %}
        count(converted_on) as converted_ever,
        count(hours_to_first_touch) as leads_touched,
        {{ percentile('days_to_convert', 0.5) }} as median_days_to_convert,
        {{ percentile('hours_to_first_touch', 0.5) }} as median_hours_to_first_touch
    from leads
    where created_on is not null
    group by 1, 2, 3
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

converted as (
    {%- for entity_type, (_, converted_entity) in cuts.items() %}
    select
        {{ period_start('month', 'converted_on') }} as period_month,
        '{{ entity_type }}' as entity_type,
        coalesce({{ converted_entity }}, 'unassigned') as entity_id,
        count(*) as conversions
    from leads
    where converted_on is not null
    group by 1, 2, 3
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

active_months as (
    select period_month, entity_type, entity_id from created
    union
    select period_month, entity_type, entity_id from converted
),

spine as (
    {{ entity_months('active_months') }}
),

parameters as (
    select * from {{ ref('int_run_parameters') }}
)

select
    spine.period_month,
    spine.entity_type,
    spine.entity_id,
    cast(coalesce(created.leads, 0) as bigint) as leads,
    cast(coalesce(created.mqls, 0) as bigint) as mqls,
    cast(coalesce(created.sqls, 0) as bigint) as sqls,
    {%- for window in windows %}
    cast(coalesce(created.converted_{{ window }}d, 0) as bigint) as converted_{{ window }}d,
    {%- endfor %}
    cast(coalesce(created.converted_ever, 0) as bigint) as converted_ever,
    cast(coalesce(converted.conversions, 0) as bigint) as conversions,
    {%- for window in windows %}
    case
        when {{ add_period('spine.next_month_start', 'day', window - 1) }} <= {{ add_period('parameters.as_of_date', 'day', 1) }}
            then {{ safe_divide('created.converted_' ~ window ~ 'd', 'created.leads') }}
    end as conversion_rate_{{ window }}d,
    {{ add_period('spine.next_month_start', 'day', window - 1) }} <= {{ add_period('parameters.as_of_date', 'day', 1) }}
        as is_mature_{{ window }}d,
    {%- endfor %}
    {{ safe_divide('created.converted_ever', 'created.leads') }} as conversion_rate_ever,
    {{ safe_divide('coalesce(converted.conversions, 0)', 'created.leads') }} as conversion_rate_activity,
    cast(created.median_days_to_convert as double) as median_days_to_convert,
    cast(coalesce(created.leads_touched, 0) as bigint) as leads_touched,
    cast(created.median_hours_to_first_touch as double) as median_hours_to_first_touch,
    spine.is_partial_period
from spine
cross join parameters
left join created using (period_month, entity_type, entity_id)
left join converted using (period_month, entity_type, entity_id)
