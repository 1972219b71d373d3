-- Products ordered at Magento, with their newest name; one row per product. Parts of bundles are not sold by themselves.
{{ config(materialized='table') }}
with

latest as (
    {{ latest_rows('magento', 'order_items') }}
),

ranked as (
    select
        *,
        row_number() over (
            partition by sku order by _delivered_on desc, _source_file desc, _row_number desc
        ) as _version
    from latest
    where sku is not null and parent_item_id is null
)

select
    sku as product_id,
    name,
    cast(null as string) as category,
    cast(null as decimal(18, 6)) as unit_cost,
    _source_file,
    _row_number,
    _delivered_on
from ranked
where _version = 1
