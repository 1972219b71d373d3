-- How often and how recently each customer bought, as BG/NBD and Gamma-Gamma count it; one row per customer with an order.
-- Orders of one day are one purchase. Repeat purchases are those of later days than the first.
with

sales as (
    select
        customer_id,
        ordered_on,
        sum(gross_amount - discount_amount) as sales_amount
    from {{ ref('fct_order_items') }}
    where customer_id is not null
    group by 1, 2
),

purchase_days as (
    select
        orders.customer_id,
        orders.ordered_on,
        coalesce(sales.sales_amount, 0) as sales_amount,
        min(orders.ordered_on) over (partition by orders.customer_id) as first_ordered_on
    from (
        select distinct
            customer_id,
            ordered_on
        from {{ ref('int_counted_orders') }}
        where customer_id is not null
    ) as orders
    left join sales
        on
            orders.customer_id = sales.customer_id
            and orders.ordered_on = sales.ordered_on
),

purchases as (
    select
        customer_id,
        first_ordered_on,
        max(ordered_on) as last_ordered_on,
        count(*) - 1 as repeat_purchase_days,
        sum(case when ordered_on > first_ordered_on then sales_amount else 0 end) as repeat_sales_amount
    from purchase_days
    group by 1, 2
)

select
    purchases.customer_id,
    purchases.first_ordered_on,
    purchases.last_ordered_on,
    purchases.repeat_purchase_days,
    {{ days_from('purchases.first_ordered_on', 'purchases.last_ordered_on') }} as recency_days,
    {{ days_from('purchases.first_ordered_on', 'parameters.as_of_date') }} as age_days,
    {{ safe_divide('purchases.repeat_sales_amount', 'purchases.repeat_purchase_days') }} as mean_repeat_value
from purchases
cross join {{ ref('int_run_parameters') }} as parameters
