-- Media spend as currently reported by the platforms; one row per campaign and day.
with

latest as (
    {{ latest_rows('ads', 'spend') }}
)

select
    spend_date,
    campaign_id,
    coalesce(impressions, 0) as impressions,
    coalesce(clicks, 0) as clicks,
    spend,
    upper(currency) as currency_code,
    _source_file,
    _row_number,
    _delivered_on
from latest
