-- The customer number that stands for a person; one row per customer number, and per e-mail key that is not one.
-- Numbers with the same e-mail address are one person: a shop gives guests a new number, and merged accounts leave one behind.
-- The number that was registered first stands for all. A survey that knows only the address refers to that person, too.
with

customers as (
    select * from {{ ref('int_customers') }}
),

accounts as (
    select
        customer_id,
        email_key,
        first_value(customer_id) over (
            partition by coalesce(email_key, customer_id)
            order by created_at nulls last, customer_id
            rows between unbounded preceding and unbounded following
        ) as person_id
    from customers
)

select
    customer_id,
    person_id,
    true as is_account
from accounts
union all
select distinct
    accounts.email_key as customer_id,
    accounts.person_id,
    false as is_account
from accounts
left join customers as same_number
    on accounts.email_key = same_number.customer_id
where accounts.email_key is not null and same_number.customer_id is null
