-- Refunds of the shop, newest version; one row per refund.
with

latest as (
    {{ latest_rows('shop', 'refunds') }}
)

select
    refund_id,
    order_id,
    order_item_id,
    refunded_at,
    amount,
    upper(currency) as currency_code,
    reason,
    _source_file,
    _row_number,
    _delivered_on
from latest
