-- Customers of Magento as in their newest order; one row per customer. Guests are customers by their e-mail address.
{{ config(materialized='table') }}
with

latest as (
    {{ latest_rows('magento', 'orders') }}
),

orders as (
    select
        orders.customer_id,
        {{ email_key('latest.customer_email') }} as email_key,
        md5(nullif(lower(trim(concat_ws(' ', latest.customer_firstname, latest.customer_lastname))), '')) as name_key,
        orders.region,
        orders.order_id,
        orders.ordered_at,
        latest._source_file,
        latest._row_number,
        latest._delivered_on
    from latest
    inner join {{ ref('stg_magento__orders') }} as orders
        on latest.entity_id = orders.order_id
    where orders.customer_id is not null
),

ranked as (
    select
        *,
        min(ordered_at) over (partition by customer_id) as first_ordered_at,
        row_number() over (partition by customer_id order by ordered_at desc, order_id desc) as _order
    from orders
)

select
    customer_id,
    email_key,
    name_key,
    cast(null as string) as segment,
    region,
    region as country,
    first_ordered_at as created_at,
    cast(null as string) as account_owner_id,
    cast(null as timestamp) as updated_at,
    _source_file,
    _row_number,
    _delivered_on
from ranked
where _order = 1
