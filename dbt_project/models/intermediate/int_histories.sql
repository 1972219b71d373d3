-- When the delivered history of each kind of event begins; one row per kind that has any.
-- A month whose first days were not delivered cannot be compared with. It counts as whole if there are no more days before the
-- first event than between two later events, as for a shop that opens on 2 January; but never if a week is missing.
{{ config(meta={'passes_on': 'content'}) }}
{% set events = {
    'orders': ['int_orders', business_date('ordered_at')],
    'refunds': ['int_refunds', business_date('refunded_at')],
    'leads': ['int_leads', business_date('coalesce(created_at, mql_at, sql_at, converted_at)')],
    'opportunities': ['int_opportunities', business_date('coalesce(created_at, closed_at)')],
    'ad_spend': ['int_ad_spend', 'spend_date'],
    'nps_invitations': ['int_nps_invitations', business_date('sent_at')],
    'nps_responses': ['int_nps_responses', business_date('responded_at')],
} %}
with

parameters as (
    select * from {{ ref('int_run_parameters') }}
),

event_days as (
    {%- for entity, (relation, day) in events.items() %}
    select
        '{{ entity }}' as entity,
        {{ day }} as event_day
    from {{ ref(relation) }}
    group by 1, 2
    union all
    {%- endfor %}
    -- Costs are given for whole months.
    select
        'sales_marketing_costs' as entity,
        {{ period_start('month', 'cost_month') }} as event_day
    from {{ ref('int_sales_marketing_costs') }}
    group by 1, 2
),

by_now as (
    select
        event_days.entity,
        event_days.event_day,
        lag(event_days.event_day) over (partition by event_days.entity order by event_days.event_day) as event_day_before
    from event_days
    cross join parameters
    where event_days.event_day <= parameters.as_of_date
),

histories as (
    select
        entity,
        min(event_day) as first_day,
        coalesce(max({{ days_from('event_day_before', 'event_day') }} - 1), 0) as longest_silence_days
    from by_now
    group by 1
),

beginnings as (
    select
        *,
        {{ period_start('month', 'first_day') }} as first_month,
        {{ days_from(period_start('month', 'first_day'), 'first_day') }} <= least(longest_silence_days, 6) as is_whole
    from histories
)

select
    entity,
    first_day,
    case when is_whole then first_month else first_day end as covered_from,
    case when is_whole then first_month else {{ add_period('first_month', 'month', 1) }} end as first_whole_month
from beginnings
