-- Campaigns of Meta Ads, with the names of the newest day; one row per campaign.
{{ config(materialized='table') }}
with

latest as (
    {{ latest_rows('meta_ads', 'campaign_days') }}
),

ranked as (
    select
        *,
        row_number() over (partition by campaign_id order by date_start desc) as _day
    from latest
)

select
    campaign_id,
    'paid_social' as channel,
    'meta_ads' as platform,
    campaign_name as name,
    true as is_paid,
    _source_file,
    _row_number,
    _delivered_on
from ranked
where _day = 1
