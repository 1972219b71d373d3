-- Campaigns as they are now; one row per campaign. Includes campaigns known only from spend or touches.
with

campaigns as (
    select * from {{ ref('int_campaigns') }}
),

campaign_ids as (
    select campaign_id from campaigns
    union
    select campaign_id from {{ ref('int_ad_spend') }}
    where campaign_id is not null
    union
    select campaign_id from {{ ref('int_touchpoints') }}
    where campaign_id is not null
)

select
    campaign_ids.campaign_id,
    coalesce(campaigns.name, campaign_ids.campaign_id) as campaign_name,
    coalesce(campaigns.channel, 'unassigned') as channel,
    campaigns.platform,
    coalesce(campaigns.is_paid, false) as is_paid,
    campaigns._source_file,
    campaigns._row_number
from campaign_ids
left join campaigns
    on campaign_ids.campaign_id = campaigns.campaign_id
