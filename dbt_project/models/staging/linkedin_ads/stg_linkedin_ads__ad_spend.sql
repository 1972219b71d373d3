-- Media spend as currently reported by LinkedIn; one row per campaign and day.
-- LinkedIn now calls a campaign an ad set, and a campaign group a campaign. An ad set has kept its number, so that a day exported
-- under both headers counts once, as the later delivery states it.
with

latest as (
    {{ latest_rows('linkedin_ads', 'campaign_days') }}
),

numbered as (
    select
        *,
        coalesce({{ quoted('Ad Set ID') }}, {{ quoted('Campaign ID') }}) as ad_set_id
    from latest
),

ranked as (
    select
        *,
        row_number() over (
            partition by {{ quoted('Start Date (in UTC)') }}, ad_set_id
            order by _delivered_on desc, _source_file desc, _row_number desc
        ) as _version
    from numbered
)

select
    {{ quoted('Start Date (in UTC)') }} as spend_date,
    ad_set_id as campaign_id,
    coalesce(impressions, 0) as impressions,
    coalesce(clicks, 0) as clicks,
    {{ quoted('Total Spent') }} as spend,
    upper(currency) as currency_code,
    _source_file,
    _row_number,
    _delivered_on
from ranked
where _version = 1
