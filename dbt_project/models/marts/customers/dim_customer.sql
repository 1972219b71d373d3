-- Customers as they are now, with their first order; one row per person, regardless of the number of accounts.
-- Includes customers who are known only from their orders.
with

customers as (
    select * from {{ ref('int_customers') }}
),

identities as (
    select * from {{ ref('int_customer_identities') }}
),

orders as (
    select * from {{ ref('int_counted_orders') }}
),

first_orders as (
    select
        customer_id,
        ordered_on as first_ordered_on,
        channel as first_channel
    from orders
    where is_first_order
),

accounts as (
    select
        person_id as customer_id,
        sum(case when is_account then 1 else 0 end) as accounts
    from identities
    group by 1
),

persons as (
    select customer_id from accounts
    union
    select customer_id from first_orders
    where customer_id is not null
)

select
    persons.customer_id,
    customers.email_key,
    customers.segment,
    customers.region,
    customers.country,
    customers.account_owner_id,
    {{ business_date('customers.created_at') }} as created_on,
    cast(coalesce(accounts.accounts, 0) as bigint) as accounts,
    first_orders.first_ordered_on,
    {{ period_start('month', 'first_orders.first_ordered_on') }} as cohort_month,
    first_orders.first_channel,
    customers._source_file,
    customers._row_number
from persons
left join customers
    on persons.customer_id = customers.customer_id
left join accounts
    on persons.customer_id = accounts.customer_id
left join first_orders
    on persons.customer_id = first_orders.customer_id
