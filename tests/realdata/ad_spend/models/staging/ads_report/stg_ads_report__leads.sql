-- The report counts leads; one row per counted lead.
with

campaign_days as (
    {{ latest_rows('ads_report', 'campaign_days') }}
),

counted as (
    select
        *,
        unnest(generate_series(1, leads)) as number
    from campaign_days
)

select
    concat(id, '-', number) as lead_id,
    cast(null as string) as email_key,
    cast(c_date as timestamp) as created_at,
    category as source,
    campaign_id,
    cast(null as string) as sdr_id,
    cast(null as timestamp) as mql_at,
    cast(null as timestamp) as sql_at,
    cast(null as timestamp) as converted_at,
    cast(null as string) as opportunity_id,
    false as is_deleted,
    cast(null as timestamp) as updated_at,
    _source_file,
    _row_number,
    _delivered_on
from counted
