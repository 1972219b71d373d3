-- Products of the shop, newest version; one row per product.
with

latest as (
    {{ latest_rows('shop', 'products') }}
)

select
    product_id,
    name,
    category,
    unit_cost,
    _source_file,
    _row_number,
    _delivered_on
from latest
