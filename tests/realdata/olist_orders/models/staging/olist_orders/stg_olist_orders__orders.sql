-- Orders with what was paid for them, newest version; one row per order, whatever number of payments it has.
with

orders as (
    {{ latest_rows('olist_orders', 'orders') }}
),

payments as (
    {{ latest_rows('olist_orders', 'payments') }}
),

customers as (
    {{ latest_rows('olist_orders', 'customers') }}
),

paid as (
    select
        order_id,
        sum(payment_value) as total_amount
    from payments
    group by 1
)

select
    orders.order_id,
    customers.customer_unique_id as customer_id,
    orders.order_purchase_timestamp as ordered_at,
    orders.order_status as status,
    'BRL' as currency_code,
    'marketplace' as channel,
    customers.customer_state as region,
    cast(null as string) as rep_id,
    cast(null as timestamp) as updated_at,
    false as is_deleted,
    paid.total_amount,
    orders._source_file,
    orders._row_number,
    orders._delivered_on
from orders
left join paid
    on orders.order_id = paid.order_id
left join customers
    on orders.customer_id = customers.customer_id
