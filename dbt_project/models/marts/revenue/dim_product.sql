-- Products as they are now; one row per product. Includes products known only from order lines.
with

products as (
    select * from {{ ref('int_products') }}
),

product_ids as (
    select product_id from products
    union
    select product_id from {{ ref('int_order_items') }}
    where product_id is not null
)

select
    product_ids.product_id,
    coalesce(products.name, product_ids.product_id) as product_name,
    products.category,
    cast(products.unit_cost as decimal(18, 4)) as unit_cost,
    products._source_file,
    products._row_number
from product_ids
left join products
    on product_ids.product_id = products.product_id
