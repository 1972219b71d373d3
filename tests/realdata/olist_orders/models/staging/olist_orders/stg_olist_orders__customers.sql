-- People of the marketplace, as their first number has them; one row per person.
with

customers as (
    {{ latest_rows('olist_orders', 'customers') }}
),

ranked as (
    select
        *,
        row_number() over (partition by customer_unique_id order by customer_id) as _number
    from customers
)

select
    customer_unique_id as customer_id,
    cast(null as string) as email_key,
    cast(null as string) as name_key,
    cast(null as string) as segment,
    customer_state as region,
    'BR' as country,
    cast(null as timestamp) as created_at,
    cast(null as string) as account_owner_id,
    cast(null as timestamp) as updated_at,
    _source_file,
    _row_number,
    _delivered_on
from ranked
where _number = 1
