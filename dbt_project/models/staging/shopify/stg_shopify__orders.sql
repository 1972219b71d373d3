-- Orders of Shopify, newest export; one row per order, cancelled ones included, and deleted ones: tests and mere gift cards.
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
    is_test or not has_products as is_deleted,
    _source_file,
    _row_number,
    _delivered_on
from {{ ref('stg_shopify__order_versions') }}
where _version = 1
