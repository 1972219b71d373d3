-- Customers of Stripe as in their newest charge; one row per customer. Charges that name nobody have no customer.
{{ config(materialized='table') }}
with

latest as (
    {{ latest_rows('stripe', 'payments') }}
),

charges as (
    select
        orders.customer_id,
        {{ email_key('latest.' ~ quoted('Customer Email')) }} as email_key,
        md5(lower(latest.{{ quoted('Card Name') }})) as name_key,
        latest.{{ quoted('Card Issue Country') }} as country,
        orders.order_id,
        orders.ordered_at,
        latest._source_file,
        latest._row_number,
        latest._delivered_on
    from latest
    inner join {{ ref('stg_stripe__orders') }} as orders
        on latest.id = orders.order_id
    where orders.customer_id is not null
),

ranked as (
    select
        *,
        min(ordered_at) over (partition by customer_id) as first_charged_at,
        row_number() over (partition by customer_id order by ordered_at desc, order_id desc) as _charge
    from charges
)

select
    customer_id,
    email_key,
    name_key,
    cast(null as string) as segment,
    cast(null as string) as region,
    country,
    first_charged_at as created_at,
    cast(null as string) as account_owner_id,
    cast(null as timestamp) as updated_at,
    _source_file,
    _row_number,
    _delivered_on
from ranked
where _charge = 1
