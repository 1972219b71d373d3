-- Products ordered at Shopify, with their newest name; one row per product.
{{ config(materialized='table') }}
with

lines as (
    select
        *,
        coalesce({{ quoted('Lineitem sku') }}, {{ quoted('Lineitem name') }}) as product_id,
        {{ quoted('Lineitem name') }} as product_name
    from {{ ref('stg_shopify__order_lines') }}
    where _reject_reason is null and line_kind = 'product'
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
