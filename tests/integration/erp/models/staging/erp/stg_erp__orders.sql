-- Orders of the ERP, newest version; one row per order, its total without tax.
with

orders as (
    {{ latest_rows('erp', 'orders') }}
)

select
    id as order_id,
    customer as customer_id,
    placed_at as ordered_at,
    state as status,
    'EUR' as currency_code,
    cast(null as string) as channel,
    cast(null as string) as region,
    cast(null as string) as rep_id,
    updated_at,
    false as is_deleted,
    total as total_amount,
    _source_file,
    _row_number,
    _delivered_on
from orders
