-- Order lines of the shop, newest version; one row per line, amounts in the order's currency, excluding tax.
with

latest as (
    {{ latest_rows('shop', 'order_items') }}
)

select
    order_item_id,
    order_id,
    product_id,
    quantity,
    unit_price,
    coalesce(discount_amount, 0) as discount_amount,
    coalesce(tax_amount, 0) as tax_amount,
    unit_cost,
    _source_file,
    _row_number,
    _delivered_on
from latest
