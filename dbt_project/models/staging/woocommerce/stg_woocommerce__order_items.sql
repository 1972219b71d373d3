-- Order lines of WooCommerce, newest export; one row per line, amounts in the order's currency, excluding tax and shipping.
-- The discount of a line is what its subtotal exceeds its amount by. Without the column of the subtotal, there is none.
{{ config(materialized='table') }}
with

orders as (
    select versions.*
    from {{ ref('stg_woocommerce__order_versions') }} as versions
    inner join {{ ref('stg_woocommerce__orders') }} as orders
        on versions.order_id = orders.order_id
    where versions._version = 1
),

lines as (
    select
        orders.order_id,
        coalesce(delivered.sku, delivered.{{ quoted('Item Name') }}) as product_id,
        {{ whole_units('delivered.quantity') }} as quantity,
        cast(delivered.{{ quoted('Order Line (w/o tax)') }} as decimal(18, 2)) as net_amount,
        greatest(
            coalesce(delivered.{{ quoted('Order Line Subtotal') }}, delivered.{{ quoted('Order Line (w/o tax)') }}),
            delivered.{{ quoted('Order Line (w/o tax)') }}
        ) as gross_amount,
        delivered.{{ quoted('Order Line Tax') }} as tax_amount,
        row_number() over (partition by orders.order_id order by delivered._row_number) as _line,
        delivered._source_file,
        delivered._row_number,
        delivered._delivered_on
    from {{ ref('base_woocommerce__orders') }} as delivered
    inner join orders
        on
            delivered.{{ quoted('Order Number') }} = orders.order_id
            and delivered._delivered_on = orders._delivered_on
            and delivered._source_file = orders._source_file
    where delivered._reject_reason is null and delivered.{{ quoted('Order Line (w/o tax)') }} is not null
),

priced as (
    select
        *,
        {{ unit_price_of('gross_amount', 'quantity') }} as unit_price
    from lines
)

select
    order_id || '/' || _line as order_item_id,
    order_id,
    product_id,
    quantity,
    unit_price,
    {{ discount_of('quantity', 'unit_price', 'net_amount') }} as discount_amount,
    tax_amount,
    cast(null as decimal(18, 6)) as unit_cost,
    _source_file,
    _row_number,
    _delivered_on
from priced
