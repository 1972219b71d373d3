-- A failure means that a customer is in no cohort, in two or in another month's, or that a cohort brought something else than its
-- customers did.
{{ config(meta={'dagster': {'ref': {'name': 'kpi_clv__cohort'}}}) }}
with

customers as (
    select
        dim_customer.cohort_month,
        count(*) as customers,
        sum(customer_values.net_amount) as net_amount
    from {{ ref('dim_customer') }} as dim_customer
    left join {{ ref('kpi_clv__customer') }} as customer_values
        on dim_customer.customer_id = customer_values.customer_id
    where dim_customer.cohort_month is not null
    group by 1
),

retention as (
    select
        cohort_month,
        customers
    from {{ ref('kpi_retention__cohort') }}
    where entity_type = 'company' and months_since = 0
),

cohort_values as (
    select
        period_start as cohort_month,
        customers,
        net_amount
    from {{ ref('kpi_clv__cohort') }}
    where grain = 'month' and entity_type = 'company' and horizon = 'lifetime' and customers > 0
),

cohort_months as (
    select cohort_month from customers
    union
    select cohort_month from retention
    union
    select cohort_month from cohort_values
)

select
    cohort_months.cohort_month,
    customers.customers,
    retention.customers as retention_customers,
    cohort_values.customers as value_customers,
    customers.net_amount,
    cohort_values.net_amount as value_net_amount
from cohort_months
left join customers
    on cohort_months.cohort_month = customers.cohort_month
left join retention
    on cohort_months.cohort_month = retention.cohort_month
left join cohort_values
    on cohort_months.cohort_month = cohort_values.cohort_month
where
    coalesce(customers.customers, 0) <> coalesce(retention.customers, 0)
    or coalesce(customers.customers, 0) <> coalesce(cohort_values.customers, 0)
    or coalesce(customers.net_amount, 0) <> coalesce(cohort_values.net_amount, 0)
