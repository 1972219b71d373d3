-- The report counts orders and adds up their revenue; one row per counted order, of a customer of its own.
-- Each order has an equal share of the revenue, the first what is left over of the cents.
with

campaign_days as (
    {{ latest_rows('ads_report', 'campaign_days') }}
),

counted as (
    select
        *,
        floor(revenue * 100 / orders) / 100 as share,
        unnest(generate_series(1, orders)) as number
    from campaign_days
    where orders > 0
)

select
    concat(id, '-', number) as order_id,
    concat(id, '-', number) as customer_id,
    cast(c_date as timestamp) as ordered_at,
    cast(null as string) as status,
    'EUR' as currency_code,
    category as channel,
    cast(null as string) as region,
    cast(null as string) as rep_id,
    cast(null as timestamp) as updated_at,
    false as is_deleted,
    case when number = 1 then revenue - cast(share as decimal(18, 2)) * (orders - 1) else cast(share as decimal(18, 2)) end
        as total_amount,
    _source_file,
    _row_number,
    _delivered_on
from counted
