-- The orders that count, with the date and cuts under which they count; one row per order.
-- Amounts are in fct_order_items.
select
    order_id,
    customer_id,
    ordered_on,
    channel,
    rep_id,
    team,
    office,
    region,
    segment,
    is_first_order,
    _source_file,
    _row_number
from {{ ref('int_counted_orders') }}
