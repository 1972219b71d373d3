-- Customers of WooCommerce as in their newest order; one row per customer. Orders that name nobody have no customer.
{{ config(materialized='table') }}
with

orders as (
    select
        versions.*,
        min(versions.ordered_at) over (partition by versions.customer_id) as first_ordered_at,
        row_number() over (partition by versions.customer_id order by versions.ordered_at desc, versions.order_id desc) as _order
    from {{ ref('stg_woocommerce__order_versions') }} as versions
    inner join {{ ref('stg_woocommerce__orders') }} as orders
        on versions.order_id = orders.order_id
    where versions._version = 1 and versions.customer_id is not null
)

select
    customer_id,
    email_key,
    name_key,
    cast(null as string) as segment,
    region,
    billing_country as country,
    first_ordered_at as created_at,
    cast(null as string) as account_owner_id,
    cast(null as timestamp) as updated_at,
    _source_file,
    _row_number,
    _delivered_on
from orders
where _order = 1
