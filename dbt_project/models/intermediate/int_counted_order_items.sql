-- Lines of the orders that count, with their order's cuts and the rate of its date; one row per line.
{{ config(materialized='view') }}
select
    order_items.order_item_id,
    order_items.order_id,
    orders.customer_id,
    order_items.product_id,
    orders.ordered_on,
    orders.channel,
    orders.rep_id,
    orders.team,
    orders.office,
    orders.region,
    orders.segment,
    orders.is_first_order,
    order_items.quantity,
    order_items.unit_price,
    order_items.discount_amount,
    order_items.unit_cost,
    orders.currency_code,
    rates.rate as fx_rate,
    order_items._source_file,
    order_items._row_number
from {{ ref('int_order_items') }} as order_items
inner join {{ ref('int_counted_orders') }} as orders
    on order_items.order_id = orders.order_id
left join {{ ref('int_fx_rates_daily') }} as rates
    on
        orders.ordered_on = rates.date_day
        and orders.currency_code = rates.currency_code
