-- The past and the expected value of each customer; one row per customer with an order that counts.
-- Values within N days of the first order, [first, first + N days), and NULL until those N days have passed. Expected values
-- come from BG/NBD and Gamma-Gamma; if these cannot be fitted, the status says why.
{% set horizons = [30, 90, 180, 365] %}
with

customers as (
    select * from {{ ref('dim_customer') }}
    where first_ordered_on is not null
),

orders as (
    select
        customer_id,
        count(*) as orders,
        max(ordered_on) as last_ordered_on
    from {{ ref('int_counted_orders') }}
    group by 1
),

movements as (
    select * from {{ ref('int_customer_movements') }}
),

predictions as (
    select * from {{ ref('int_customer_value_predictions') }}
),

parameters as (
    select * from {{ ref('int_run_parameters') }}
),

sums as (
    select
        customer_id,
        {%- for days in horizons %}
        sum(case when age_days < {{ days }} then net_amount else 0 end) as net_amount_{{ days }}d,
        sum(case when age_days < {{ days }} then margin_amount else 0 end) as margin_amount_{{ days }}d,
        sum(case when age_days < {{ days }} then items_without_cost else 0 end) as items_without_cost_{{ days }}d,
        {%- endfor %}
        sum(net_amount) as net_amount,
        sum(margin_amount) as margin_amount,
        sum(items_without_cost) as items_without_cost
    from movements
    group by 1
)

select
    customers.customer_id,
    customers.first_ordered_on,
    customers.cohort_month,
    coalesce(customers.segment, 'unassigned') as segment,
    coalesce(customers.region, 'unassigned') as region,
    coalesce(customers.first_channel, 'unassigned') as first_channel,
    cast(orders.orders as bigint) as orders,
    orders.last_ordered_on,
    {%- for days in horizons %}
    case
        when {{ days_from('customers.first_ordered_on', 'parameters.as_of_date') }} + 1 >= {{ days }}
            then cast(coalesce(sums.net_amount_{{ days }}d, 0) as decimal(18, 2))
    end as net_amount_{{ days }}d,
    case
        when
            {{ days_from('customers.first_ordered_on', 'parameters.as_of_date') }} + 1 >= {{ days }}
            and coalesce(sums.items_without_cost_{{ days }}d, 0) = 0
            then cast(coalesce(sums.margin_amount_{{ days }}d, 0) as decimal(18, 2))
    end as margin_amount_{{ days }}d,
    {%- endfor %}
    cast(coalesce(sums.net_amount, 0) as decimal(18, 2)) as net_amount,
    case
        when coalesce(sums.items_without_cost, 0) = 0 then cast(coalesce(sums.margin_amount, 0) as decimal(18, 2))
    end as margin_amount,
    predictions.probability_alive,
    predictions.expected_purchases,
    cast(predictions.expected_purchase_value as decimal(18, 2)) as expected_purchase_value,
    cast(predictions.predicted_value as decimal(18, 2)) as predicted_value,
    coalesce(predictions.status, 'no_prediction') as prediction_status
from customers
cross join parameters
left join orders
    on customers.customer_id = orders.customer_id
left join sums
    on customers.customer_id = sums.customer_id
left join predictions
    on customers.customer_id = predictions.customer_id
