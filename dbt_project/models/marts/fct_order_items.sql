-- Lines of the orders that count, in the reporting currency at the rate of the order's date; one row per line.
-- Each amount is rounded to cents here, once, so that every sum of them agrees with every other.
with

orders as (
    select * from {{ ref('int_counted_orders') }}
),

order_items as (
    select * from {{ ref('int_order_items') }}
),

rates as (
    select * from {{ ref('int_fx_rates_daily') }}
)

select
    order_items.order_item_id,
    order_items.order_id,
    orders.customer_id,
    order_items.product_id,
    orders.ordered_on,
    orders.channel,
    orders.rep_id,
    orders.team,
    orders.region,
    orders.segment,
    orders.is_first_order,
    order_items.quantity,
    orders.currency_code,
    rates.rate as fx_rate,
    {{ in_reporting_currency('order_items.quantity * cast(order_items.unit_price as decimal(14, 4))', 'rates.rate') }}
        as gross_amount,
    {{ in_reporting_currency('coalesce(order_items.discount_amount, 0)', 'rates.rate') }} as discount_amount,
    {{ in_reporting_currency('order_items.quantity * cast(order_items.unit_cost as decimal(14, 4))', 'rates.rate') }}
        as cost_amount,
    order_items._source_file,
    order_items._row_number
from order_items
inner join orders
    on order_items.order_id = orders.order_id
left join rates
    on
        orders.ordered_on = rates.date_day
        and orders.currency_code = rates.currency_code
