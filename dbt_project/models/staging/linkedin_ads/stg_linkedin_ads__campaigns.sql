-- Campaigns of LinkedIn, with the names of the newest day; one row per campaign, which LinkedIn now calls an ad set.
{{ config(materialized='table') }}
with

latest as (
    {{ latest_rows('linkedin_ads', 'campaign_days') }}
),

numbered as (
    select
        *,
        coalesce({{ quoted('Ad Set ID') }}, {{ quoted('Campaign ID') }}) as ad_set_id,
        coalesce({{ quoted('Ad Set Name') }}, {{ quoted('Campaign Name') }}) as ad_set_name
    from latest
),

ranked as (
    select
        *,
        row_number() over (
            partition by ad_set_id order by {{ quoted('Start Date (in UTC)') }} desc, _delivered_on desc, _row_number desc
        ) as _day
    from numbered
)

select
    ad_set_id as campaign_id,
    'paid_social' as channel,
    'linkedin_ads' as platform,
    ad_set_name as name,
    true as is_paid,
    _source_file,
    _row_number,
    _delivered_on
from ranked
where _day = 1
