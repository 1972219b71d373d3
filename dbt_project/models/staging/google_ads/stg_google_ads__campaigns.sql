-- Campaigns of Google Ads, with the names of the newest day; one row per campaign. The channel is where the ads are shown.
{{ config(materialized='table') }}
with

latest as (
    {{ latest_rows('google_ads', 'campaign_days') }}
),

ranked as (
    select
        *,
        row_number() over (partition by {{ quoted('campaign.id') }} order by {{ quoted('segments.date') }} desc) as _day
    from latest
)

select
    {{ quoted('campaign.id') }} as campaign_id,
    case replace(upper({{ quoted('campaign.advertising_channel_type') }}), ' ', '_')
        when 'SEARCH' then 'paid_search'
        when 'SHOPPING' then 'paid_shopping'
        when 'DISPLAY' then 'display'
        when 'VIDEO' then 'video'
        when 'DEMAND_GEN' then 'display'
        else replace(lower({{ quoted('campaign.advertising_channel_type') }}), ' ', '_')
    end as channel,
    'google_ads' as platform,
    {{ quoted('campaign.name') }} as name,
    true as is_paid,
    _source_file,
    _row_number,
    _delivered_on
from ranked
where _day = 1
