-- Media spend as currently reported by Meta Ads; one row per campaign and day.
with

latest as (
    {{ latest_rows('meta_ads', 'campaign_days') }}
)

select
    date_start as spend_date,
    campaign_id,
    -- Meta omits values that are zero.
    coalesce(impressions, 0) as impressions,
    coalesce(clicks, 0) as clicks,
    spend,
    upper(account_currency) as currency_code,
    _source_file,
    _row_number,
    _delivered_on
from latest
