-- Orders of WooCommerce, newest export; one row per order, cancelled ones included.
-- A checkout that was begun and never paid is not an order: its status is pending payment, failed or draft.
select
    order_id,
    customer_id,
    ordered_at,
    status,
    currency_code,
    cast(null as string) as channel,
    region,
    cast(null as string) as rep_id,
    cast(null as timestamp) as updated_at,
    status = 'trash' as is_deleted,
    _source_file,
    _row_number,
    _delivered_on
from {{ ref('stg_woocommerce__order_versions') }}
where _version = 1 and status not in ('pending payment', 'pending', 'failed', 'draft', 'checkout draft', 'auto draft')
