-- Credit memos of Magento without tax and shipping, newest version; one row per credit memo. Canceled ones are left out.
with

latest as (
    {{ latest_rows('magento', 'creditmemos') }}
)

select
    entity_id as refund_id,
    order_id,
    cast(null as string) as order_item_id,
    created_at as refunded_at,
    subtotal
    - abs(coalesce(discount_amount, 0))
    + coalesce(discount_tax_compensation_amount, 0)
    + abs(coalesce(adjustment_positive, 0))
    - abs(coalesce(adjustment_negative, 0)) as amount,
    upper(order_currency_code) as currency_code,
    cast(null as string) as reason,
    _source_file,
    _row_number,
    _delivered_on
from latest
where coalesce(state, 2) <> 3
