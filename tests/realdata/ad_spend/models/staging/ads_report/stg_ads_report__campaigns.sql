-- Campaigns of the report; one row per campaign. All of them are paid for.
with

campaign_days as (
    {{ latest_rows('ads_report', 'campaign_days') }}
)

select
    campaign_id,
    max(category) as channel,
    cast(null as string) as platform,
    max(lower(campaign_name)) as name,
    true as is_paid,
    min(_source_file) as _source_file,
    min(_row_number) as _row_number,
    min(_delivered_on) as _delivered_on
from campaign_days
group by 1
