-- Spend of the report; one row per campaign and day.
with

campaign_days as (
    {{ latest_rows('ads_report', 'campaign_days') }}
)

select
    c_date as spend_date,
    campaign_id,
    impressions,
    clicks,
    mark_spent as spend,
    'EUR' as currency_code,
    _source_file,
    _row_number,
    _delivered_on
from campaign_days
