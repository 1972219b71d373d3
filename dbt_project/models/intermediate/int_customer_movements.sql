-- Sales and refunds of each customer, by date and by days since the first order; one row per customer and date.
with

customers as (
    select
        customer_id,
        first_ordered_on
    from {{ ref('dim_customer') }}
    where first_ordered_on is not null
),

movements as (
    select
        customer_id,
        ordered_on as moved_on,
        gross_amount - discount_amount as net_amount,
        gross_amount - discount_amount - coalesce(cost_amount, 0) as margin_amount,
        case when cost_amount is null then 1 else 0 end as items_without_cost
    from {{ ref('fct_order_items') }}
    union all
    select
        customer_id,
        refunded_on as moved_on,
        -refund_amount as net_amount,
        -refund_amount as margin_amount,
        0 as items_without_cost
    from {{ ref('fct_refunds') }}
)

select
    movements.customer_id,
    movements.moved_on,
    {{ days_from('customers.first_ordered_on', 'movements.moved_on') }} as age_days,
    cast(sum(movements.net_amount) as decimal(18, 2)) as net_amount,
    cast(sum(movements.margin_amount) as decimal(18, 2)) as margin_amount,
    cast(sum(movements.items_without_cost) as bigint) as items_without_cost
from movements
inner join customers
    on movements.customer_id = customers.customer_id
group by 1, 2, 3
