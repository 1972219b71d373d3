-- When customers are active: a customer is active on a day with an order that counts in the `active_days` days before it.
-- One row per customer and span of days without a break, [active_from, active_until).
{% set active_days = var('active_days') | int %}
with

order_days as (
    select
        customer_id,
        ordered_on,
        lag(ordered_on) over (partition by customer_id order by ordered_on) as ordered_before
    from {{ ref('int_counted_orders') }}
    where customer_id is not null
    group by 1, 2
),

numbered as (
    select
        customer_id,
        ordered_on,
        sum(case when {{ days_from('ordered_before', 'ordered_on') }} <= {{ active_days }} then 0 else 1 end) over (
            partition by customer_id
            order by ordered_on
            rows between unbounded preceding and current row
        ) as span_number
    from order_days
)

select
    customer_id,
    {{ add_period('min(ordered_on)', 'day', 1) }} as active_from,
    {{ add_period('max(ordered_on)', 'day', active_days + 1) }} as active_until
from numbered
group by customer_id, span_number
