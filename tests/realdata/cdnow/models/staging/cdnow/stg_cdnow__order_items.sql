-- What each purchase came to; one row per purchase. The file gives its value only, so it is one line of one unit.
with

purchases as (
    {{ latest_rows('cdnow', 'purchases') }}
)

select
    {{ surrogate_key(['_source_file', '_row_number']) }} as order_item_id,
    {{ surrogate_key(['_source_file', '_row_number']) }} as order_id,
    cast(null as string) as product_id,
    1 as quantity,
    dollar_value as unit_price,
    0 as discount_amount,
    0 as tax_amount,
    cast(null as decimal(18, 6)) as unit_cost,
    _source_file,
    _row_number,
    _delivered_on
from purchases
