-- Media spend in the reporting currency at the rate of its day; one row per campaign and day.
-- What a platform says that its ads have brought stands beside the spend. It is never mixed with what orders and touchpoints
-- attribute to campaigns: each platform claims every sale that it touched.
with

spend as (
    select * from {{ ref('int_ad_spend') }}
),

campaigns as (
    select * from {{ ref('dim_campaign') }}
),

rates as (
    select * from {{ ref('int_fx_rates_daily') }}
),

parameters as (
    select * from {{ ref('int_run_parameters') }}
)

select
    spend.spend_date,
    spend.campaign_id,
    coalesce(campaigns.channel, 'unassigned') as channel,
    campaigns.platform,
    coalesce(campaigns.is_paid, false) as is_paid,
    spend.impressions,
    spend.clicks,
    spend.currency_code,
    rates.rate as fx_rate,
    {{ in_reporting_currency('spend.spend', 'rates.rate') }} as spend_amount,
    cast(spend.platform_conversions as decimal(18, 2)) as platform_conversions,
    {{ in_reporting_currency('spend.platform_revenue', 'rates.rate') }} as platform_revenue_amount,
    spend._source_file,
    spend._row_number
from spend
cross join parameters
left join campaigns
    on spend.campaign_id = campaigns.campaign_id
left join rates
    on
        spend.spend_date = rates.date_day
        and spend.currency_code = rates.currency_code
where spend.spend_date <= parameters.as_of_date
