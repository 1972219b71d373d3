-- Which customer number stands for a person; one row per delivered customer number.
-- Numbers with the same e-mail address are one person: a shop gives guests a new number, and merged accounts leave one behind.
-- The number that was registered first stands for all.
select
    customer_id,
    first_value(customer_id) over (
        partition by coalesce(email_key, customer_id)
        order by created_at nulls last, customer_id
        rows between unbounded preceding and unbounded following
    ) as person_id
from {{ ref('int_customers') }}
