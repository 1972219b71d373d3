-- Media spend as the newest export of each campaign and day states it; one row per campaign and day.
-- An export may have several rows for them, such as one per ad set. Without numbers, a campaign is known by its name.
with

latest as (
    {{ latest_rows('meta_ads_manager', 'campaign_days') }}
),

named as (
    select
        *,
        coalesce(day, {{ quoted('Reporting starts') }}) as spend_date,
        coalesce({{ quoted('Campaign ID') }}, {{ quoted('Campaign name') }}) as campaign_key,
        coalesce({{ quoted('Currency of amounts') }}, currency) as currency_code
    from latest
),

dated as (
    select
        *,
        max(_delivered_on) over (partition by spend_date, campaign_key) as _newest_of_key,
        max(_delivered_on) over (partition by spend_date, {{ quoted('Campaign name') }}) as _newest_of_name,
        max(case when {{ quoted('Campaign ID') }} is null then _delivered_on end) over (
            partition by spend_date, {{ quoted('Campaign name') }}
        ) as _newest_without_id
    from named
),

-- An export with numbers also replaces one without them, and the other way round.
newest as (
    select *
    from dated
    where
        _delivered_on = _newest_of_key
        and _delivered_on >= coalesce(_newest_without_id, _delivered_on)
        and ({{ quoted('Campaign ID') }} is not null or _delivered_on = _newest_of_name)
)

select
    spend_date,
    campaign_key as campaign_id,
    -- Meta leaves cells empty that are zero.
    sum(coalesce(impressions, 0)) as impressions,
    sum(coalesce({{ quoted('Clicks (all)') }}, {{ quoted('Link clicks') }}, 0)) as clicks,
    sum(coalesce({{ quoted('Amount spent') }}, 0)) as spend,
    upper(currency_code) as currency_code,
    sum(coalesce(purchases, {{ quoted('Website purchases') }})) as platform_conversions,
    sum(
        coalesce({{ quoted('Purchases conversion value') }}, {{ quoted('Website purchases conversion value') }})
    ) as platform_revenue,
    min(_source_file) as _source_file,
    min(_row_number) as _row_number,
    _delivered_on
from newest
group by spend_date, campaign_key, upper(currency_code), _delivered_on
