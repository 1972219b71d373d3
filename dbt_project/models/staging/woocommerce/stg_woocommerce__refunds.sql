-- Refunds of WooCommerce for products, without tax; one row per order and delivery day on which the refunded amount had changed.
-- The export says how much was refunded, but not when. What the first export of an order already contains counts on the date of
-- the order; later refunds count on the day of the delivery that contains them.
{{ config(materialized='table') }}
with

versions as (
    select
        *,
        lag(refunded_product_amount) over (partition by order_id order by _delivered_on) as refunded_before
    from {{ ref('stg_woocommerce__order_versions') }}
    where _version_of_day = 1
)

select
    order_id || '/' || _delivered_on as refund_id,
    order_id,
    cast(null as string) as order_item_id,
    case
        when refunded_before is null then ordered_at
        else {{ try_timestamp('cast(_delivered_on as string)', var('time_zone')) }}
    end as refunded_at,
    refunded_product_amount - coalesce(refunded_before, 0) as amount,
    currency_code,
    cast(null as string) as reason,
    _source_file,
    _row_number,
    _delivered_on
from versions
where refunded_product_amount <> coalesce(refunded_before, 0)
