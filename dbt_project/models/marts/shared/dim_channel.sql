-- Every channel of orders, campaigns, surveys or leads; one row per channel.
with

channels as (
    select channel, 'sales' as kind from {{ ref('int_orders') }}
    union all
    select channel, 'marketing' as kind from {{ ref('int_campaigns') }}
    union all
    select channel, 'marketing' as kind from {{ ref('int_touchpoints') }}
    union all
    select source as channel, 'leads' as kind from {{ ref('int_leads') }}
    union all
    select channel, 'survey' as kind from {{ ref('int_nps_invitations') }}
    union all
    select 'unassigned' as channel, 'none' as kind
)

select
    channel,
    max(case when kind = 'sales' then 1 else 0 end) = 1 as is_sales_channel,
    max(case when kind = 'marketing' then 1 else 0 end) = 1 as is_marketing_channel,
    max(case when kind = 'leads' then 1 else 0 end) = 1 as is_lead_source,
    max(case when kind = 'survey' then 1 else 0 end) = 1 as is_survey_channel
from channels
where channel is not null
group by 1
