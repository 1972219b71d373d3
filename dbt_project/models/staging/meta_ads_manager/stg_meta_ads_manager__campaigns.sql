-- Campaigns of Meta's Ads Manager, with the names of the newest day; one row per campaign.
{{ config(materialized='table') }}
with

latest as (
    {{ latest_rows('meta_ads_manager', 'campaign_days') }}
),

named as (
    select
        *,
        coalesce({{ quoted('Campaign ID') }}, {{ quoted('Campaign name') }}) as campaign_key
    from latest
),

ranked as (
    select
        *,
        row_number() over (
            partition by campaign_key
            order by _delivered_on desc, coalesce(day, {{ quoted('Reporting starts') }}) desc, _source_file, _row_number
        ) as _version
    from named
)

select
    campaign_key as campaign_id,
    'paid_social' as channel,
    'meta_ads' as platform,
    {{ quoted('Campaign name') }} as name,
    true as is_paid,
    _source_file,
    _row_number,
    _delivered_on
from ranked
where _version = 1
