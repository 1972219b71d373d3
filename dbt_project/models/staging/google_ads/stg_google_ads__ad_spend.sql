-- Media spend as currently reported by Google Ads; one row per campaign and day.
with

latest as (
    {{ latest_rows('google_ads', 'campaign_days') }}
)

select
    {{ quoted('segments.date') }} as spend_date,
    {{ quoted('campaign.id') }} as campaign_id,
    coalesce({{ quoted('metrics.impressions') }}, 0) as impressions,
    coalesce({{ quoted('metrics.clicks') }}, 0) as clicks,
    -- A report of the API has micros. An exact multiplication by a millionth, because a division would use doubles.
    coalesce(
        cost,
        cast(cast({{ quoted('metrics.cost_micros') }} as decimal(18, 0)) * cast(0.000001 as decimal(7, 6)) as decimal(18, 6))
    ) as spend,
    upper({{ quoted('customer.currency_code') }}) as currency_code,
    {{ quoted('metrics.conversions') }} as platform_conversions,
    {{ quoted('metrics.conversions_value') }} as platform_revenue,
    _source_file,
    _row_number,
    _delivered_on
from latest
