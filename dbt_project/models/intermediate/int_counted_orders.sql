-- The orders that count, with the date and cuts under which they count; one row per order.
-- An order counts unless it is deleted, has an excluded status, or is dated after the as-of date.
with

orders as (
    select
        *,
        {{ business_date('ordered_at') }} as ordered_on
    from {{ ref('int_orders') }}
),

identities as (
    select * from {{ ref('int_customer_identities') }}
),

customers as (
    select * from {{ ref('int_customers') }}
),

sales_reps as (
    select * from {{ ref('int_sales_rep_versions') }}
),

parameters as (
    select * from {{ ref('int_run_parameters') }}
),

counted as (
    select
        orders.*,
        coalesce(identities.person_id, orders.customer_id) as person_id
    from orders
    cross join parameters
    left join identities
        on orders.customer_id = identities.customer_id
    where
        orders.order_id is not null
        and not coalesce(orders.is_deleted, false)
        and coalesce(orders.status, '') not in ({{ text_list(var('excluded_order_statuses')) }})
        and orders.ordered_on <= parameters.as_of_date
)

select
    counted.order_id,
    counted.person_id as customer_id,
    counted.ordered_at,
    counted.ordered_on,
    counted.currency_code,
    counted.channel,
    counted.rep_id,
    sales_reps.team,
    sales_reps.office,
    counted.region,
    customers.segment,
    -- Orders without a customer do not belong to the same person: none of them is a first order.
    counted.person_id is not null
    and row_number() over (partition by counted.person_id order by counted.ordered_at, counted.order_id) = 1
        as is_first_order,
    counted._source_file,
    counted._row_number,
    counted._delivered_on
from counted
left join customers
    on counted.person_id = customers.customer_id
left join sales_reps
    on
        counted.rep_id = sales_reps.rep_id
        and counted.ordered_on >= sales_reps.valid_from
        and counted.ordered_on < sales_reps.valid_until
