-- A checksum of everything that customers' periods are computed from: orders, sales and refunds, and who made them; one row per
-- day. A period needs to be computed again only if one of its days has another checksum.
with

days_of_customers as (
    {{ days_of_customers() }}
),

described as (
    select
        days_of_customers.*,
        customers.cohort_month,
        customers.segment,
        customers.region,
        customers.first_channel,
        customers.first_ordered_on
    from days_of_customers
    left join {{ ref('dim_customer') }} as customers
        on days_of_customers.customer_id = customers.customer_id
)

select
    date_day,
    sum({{ row_hash('described') }}) as fingerprint
from described
group by date_day
