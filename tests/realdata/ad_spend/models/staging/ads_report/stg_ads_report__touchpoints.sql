-- The report owes each order to a campaign; one touch per counted order.
with

campaign_days as (
    {{ latest_rows('ads_report', 'campaign_days') }}
),

counted as (
    select
        *,
        unnest(generate_series(1, orders)) as number
    from campaign_days
)

select
    concat(id, '-', number) as touchpoint_id,
    cast(null as string) as lead_id,
    concat(id, '-', number) as customer_id,
    campaign_id,
    category as channel,
    cast(c_date as timestamp) as touched_at,
    _source_file,
    _row_number,
    _delivered_on
from counted
