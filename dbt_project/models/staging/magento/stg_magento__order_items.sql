-- Order lines of Magento, newest version; one row per line, amounts in the order's currency, excluding tax and shipping.
-- The discount on the products of an order is split in proportion to its lines. The parts are differences of rounded running
-- sums, so that the cents add up. Parts of a bundle and variants of a product are in the line of their parent. An order of which
-- no line was delivered is one line.
{{ config(materialized='table') }}
with

orders as (
    select
        latest.*,
        -- Discounts on shipping, and tax within discounts, are not discounts on products without tax.
        greatest(
            abs(coalesce(latest.discount_amount, 0))
            - abs(coalesce(latest.shipping_discount_amount, 0))
            - coalesce(latest.discount_tax_compensation_amount, 0),
            0
        ) as product_discount_amount
    from ({{ latest_rows('magento', 'orders') }}) as latest
    inner join {{ ref('stg_magento__orders') }} as orders
        on latest.entity_id = orders.order_id
),

items as (
    select * from ({{ latest_rows('magento', 'order_items') }}) as latest_items
    where parent_item_id is null
),

lines as (
    select
        coalesce(items.item_id, orders.entity_id || '/1') as order_item_id,
        orders.entity_id as order_id,
        items.sku as product_id,
        case when items.item_id is null then 1 else {{ whole_units('items.qty_ordered') }} end as quantity,
        cast(coalesce(items.row_total, orders.subtotal) as decimal(18, 2)) as gross_amount,
        items.tax_amount,
        orders.product_discount_amount,
        case when items.item_id is null then orders._source_file else items._source_file end as _source_file,
        case when items.item_id is null then orders._row_number else items._row_number end as _row_number,
        case when items.item_id is null then orders._delivered_on else items._delivered_on end as _delivered_on
    from orders
    left join items
        on orders.entity_id = items.order_id
),

running as (
    select
        *,
        cast(100 * gross_amount as bigint) as weight,
        cast(100 * sum(gross_amount) over (partition by order_id order by order_item_id) as bigint) as weight_to_date,
        cast(100 * sum(gross_amount) over (partition by order_id) as bigint) as order_weight
    from lines
),

discounted as (
    select
        *,
        gross_amount - case
            when order_weight > 0
                then
                    {{ share_to_date('product_discount_amount', 'weight_to_date', 'order_weight') }}
                    - {{ share_to_date('product_discount_amount', '(weight_to_date - weight)', 'order_weight') }}
            else 0
        end as net_amount,
        {{ unit_price_of('gross_amount', 'quantity') }} as unit_price
    from running
)

select
    order_item_id,
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
from discounted
