-- Each customer's activity in each month; one row per customer and month with an order, net revenue in it or the month before,
-- or activity at its start or end.
-- A customer is active at a given time with an order that counts in the `active_days` days before it: [time − days, time).
{% set active_days = var('active_days') %}
with

customers as (
    select * from {{ ref('dim_customer') }}
),

months as (
    select distinct
        month_start,
        next_month_start,
        is_partial_month
    from {{ ref('int_days') }}
),

order_months as (
    select
        customer_id,
        {{ period_start('month', 'ordered_on') }} as period_month,
        count(*) as orders,
        max(ordered_on) as last_ordered_on
    from {{ ref('int_counted_orders') }}
    where customer_id is not null
    group by 1, 2
),

-- Only the last order of a month decides how long the customer stays active, and it can only affect a few month ends.
active_boundaries as (
    {%- for months_later in month_ends_within(active_days) %}
    select
        customer_id,
        {{ add_period('period_month', 'month', months_later) }} as boundary
    from order_months
    where {{ add_period('last_ordered_on', 'day', active_days) }} >= {{ add_period('period_month', 'month', months_later) }}
    {{ 'union' if not loop.last }}
    {%- endfor %}
),

net_months as (
    select
        customer_id,
        {{ period_start('month', 'moved_on') }} as period_month,
        sum(net_amount) as net_amount,
        sum(margin_amount) as margin_amount,
        sum(items_without_cost) as items_without_cost
    from {{ ref('int_customer_movements') }}
    group by 1, 2
),

customer_months as (
    select customer_id, period_month from order_months
    union
    select customer_id, period_month from net_months
    union
    select customer_id, {{ add_period('period_month', 'month', 1) }} as period_month from net_months
    union
    select customer_id, boundary as period_month from active_boundaries
    union
    select customer_id, {{ add_period('boundary', 'month', -1) }} as period_month from active_boundaries
),

joined as (
    select
        customer_months.customer_id,
        customer_months.period_month,
        months.is_partial_month as is_partial_period,
        customers.cohort_month,
        customers.segment,
        customers.region,
        customers.first_channel,
        coalesce(order_months.orders, 0) as orders,
        coalesce(net_months.net_amount, 0) as net_amount,
        coalesce(net_months.margin_amount, 0) as margin_amount,
        coalesce(net_months.items_without_cost, 0) as items_without_cost,
        coalesce(net_month_before.net_amount, 0) as prior_net_amount,
        active_at_start.customer_id is not null as is_active_at_start,
        active_at_end.customer_id is not null as is_active_at_end
    from customer_months
    inner join months
        on customer_months.period_month = months.month_start
    left join customers
        on customer_months.customer_id = customers.customer_id
    left join order_months
        on
            customer_months.customer_id = order_months.customer_id
            and customer_months.period_month = order_months.period_month
    left join net_months
        on
            customer_months.customer_id = net_months.customer_id
            and customer_months.period_month = net_months.period_month
    -- The previous calendar month: if it has no row, its value is nothing, and an earlier row must not replace it.
    left join net_months as net_month_before
        on
            customer_months.customer_id = net_month_before.customer_id
            and {{ add_period('customer_months.period_month', 'month', -1) }} = net_month_before.period_month
    left join active_boundaries as active_at_start
        on
            customer_months.customer_id = active_at_start.customer_id
            and customer_months.period_month = active_at_start.boundary
    left join active_boundaries as active_at_end
        on
            customer_months.customer_id = active_at_end.customer_id
            and months.next_month_start = active_at_end.boundary
)

select
    customer_id,
    period_month,
    cohort_month,
    coalesce(segment, 'unassigned') as segment,
    coalesce(region, 'unassigned') as region,
    coalesce(first_channel, 'unassigned') as first_channel,
    cast(orders as bigint) as orders,
    cast(net_amount as decimal(18, 2)) as net_amount,
    -- If the cost of only some items were known, the margin would be too high.
    case when items_without_cost = 0 then cast(margin_amount as decimal(18, 2)) end as margin_amount,
    cast(prior_net_amount as decimal(18, 2)) as prior_net_amount,
    cast(net_amount - prior_net_amount as decimal(18, 2)) as net_change_amount,
    is_active_at_start,
    is_active_at_end,
    case
        when is_active_at_start and is_active_at_end then 'retained'
        when is_active_at_start then 'churned'
        when is_active_at_end and cohort_month = period_month then 'new'
        when is_active_at_end then 'reactivated'
        else 'inactive'
    end as activity_movement,
    -- A fall from something to nothing is churn, not contraction.
    case
        when prior_net_amount > 0 and net_amount <= 0 then 'churned'
        when prior_net_amount > 0 and net_amount > prior_net_amount then 'expansion'
        when prior_net_amount > 0 and net_amount < prior_net_amount then 'contraction'
        when prior_net_amount > 0 then 'retained'
        when net_amount > 0 and cohort_month = period_month then 'new'
        when net_amount > 0 then 'reactivated'
        else 'none'
    end as revenue_movement,
    is_partial_period
from joined
