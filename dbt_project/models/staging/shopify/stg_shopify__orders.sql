-- Orders of Shopify, newest export; one row per order, cancelled ones included, and deleted ones: tests, mere gift cards,
-- and those that the newest delivery of the whole table lacks.
with

present as (
    {{ present_keys('shopify', 'orders', 'order_id', ref('stg_shopify__order_lines')) }}
)

select
    order_id,
    customer_id,
    ordered_at,
    status,
    currency_code,
    channel,
    region,
    cast(null as string) as rep_id,
    cast(null as timestamp) as updated_at,
    is_test or not has_products or present_key is null as is_deleted,
    _source_file,
    _row_number,
    _delivered_on
from {{ ref('stg_shopify__order_versions') }}
left join present
    on order_id = present_key
where _version = 1
