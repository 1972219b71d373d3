-- Customers of Chargebee who were invoiced; one row per customer. Who they are is in the list of customers, if it was delivered.
{{ config(materialized='table') }}
with

people as (
    {{ latest_rows('chargebee', 'customers') }}
),

orders as (
    select
        *,
        min(ordered_at) over (partition by customer_id) as first_invoiced_at,
        row_number() over (partition by customer_id order by ordered_at desc, order_id desc) as _order
    from {{ ref('stg_chargebee__orders') }}
)

select
    orders.customer_id,
    {{ email_key('people.email') }} as email_key,
    md5(lower(coalesce(people.company, nullif(trim(concat_ws(' ', people.first_name, people.last_name)), '')))) as name_key,
    cast(null as string) as segment,
    orders.region,
    orders.region as country,
    orders.first_invoiced_at as created_at,
    cast(null as string) as account_owner_id,
    cast(null as timestamp) as updated_at,
    coalesce(people._source_file, orders._source_file) as _source_file,
    coalesce(people._row_number, orders._row_number) as _row_number,
    coalesce(people._delivered_on, orders._delivered_on) as _delivered_on
from orders
left join people
    on orders.customer_id = people.id
where orders._order = 1
