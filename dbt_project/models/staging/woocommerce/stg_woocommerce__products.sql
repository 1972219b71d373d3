-- Products ordered at WooCommerce, with their newest name; one row per product.
{{ config(materialized='table') }}
with

lines as (
    select
        *,
        coalesce(sku, {{ quoted('Item Name') }}) as product_id,
        {{ quoted('Item Name') }} as product_name
    from {{ ref('base_woocommerce__orders') }}
    where _reject_reason is null
),

newest as (
    select
        *,
        row_number() over (
            partition by product_id order by _delivered_on desc, _source_file desc, _row_number desc
        ) as _version
    from lines
    where product_id is not null
)

select
    product_id,
    product_name as name,
    cast(null as string) as category,
    cast(null as decimal(18, 6)) as unit_cost,
    _source_file,
    _row_number,
    _delivered_on
from newest
where _version = 1
