-- Order headers of the shop, newest version; one row per order, cancelled and deleted ones included.
with

latest as (
    {{ latest_rows('shop', 'orders') }}
)

select
    order_id,
    customer_id,
    ordered_at,
    lower(status) as status,
    upper(currency) as currency_code,
    {{ clean_label('channel') }} as channel,
    {{ clean_label('region') }} as region,
    sales_rep_id as rep_id,
    updated_at,
    coalesce(is_deleted, false) as is_deleted,
    _source_file,
    _row_number,
    _delivered_on
from latest
