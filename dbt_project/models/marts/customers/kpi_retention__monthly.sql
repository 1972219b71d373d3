-- Customers who stayed, left or came back, and the revenue that was retained; one row per month and company, segment, region
-- or channel (of the first order).
-- logo retention = customers active at start and end / customers active at start. nrr = this month's net revenue from last
-- month's customers / their net revenue last month; grr counts each of them with at most last month's net revenue. Refunds
-- lower both, and may make them negative. In the month after one in which the delivered history began late, both are NULL.
-- Retention and churn are NULL until the `active_days` before the month were delivered: whoever is known to be active at its
-- start ordered so recently that nobody can have left.
{% set cuts = {'company': "'company'", 'segment': 'segment', 'region': 'region', 'channel': 'first_channel'} %}
-- Without churn, the lifetime of a customer would be infinite, but nobody can predict more than a few years.
{% set longest_lifetime_months = 60 %}
{% set active_days = var('active_days') %}
with

customer_months as (
    select * from {{ ref('fct_customer_months') }}
),

order_counts as (
    select
        customer_id,
        {{ period_start('month', 'ordered_on') }} as period_month,
        row_number() over (partition by customer_id order by ordered_on, order_id) as order_number
    from {{ ref('int_counted_orders') }}
    where customer_id is not null
),

-- The month in which each customer ordered first, and the month of the second order.
milestones as (
    select
        order_counts.period_month,
        coalesce(customers.segment, 'unassigned') as segment,
        coalesce(customers.region, 'unassigned') as region,
        coalesce(customers.first_channel, 'unassigned') as first_channel,
        case when order_counts.order_number = 1 then 1 else 0 end as became_customer,
        case when order_counts.order_number = 2 then 1 else 0 end as became_repeat_customer
    from order_counts
    left join {{ ref('dim_customer') }} as customers
        on order_counts.customer_id = customers.customer_id
    where order_counts.order_number <= 2
),

months_of_entities as (
    {%- for entity_type, entity_id in cuts.items() %}
    select
        period_month,
        '{{ entity_type }}' as entity_type,
        {{ entity_id }} as entity_id,
        sum(case when is_active_at_start then 1 else 0 end) as customers_at_start,
        sum(case when activity_movement = 'retained' then 1 else 0 end) as retained_customers,
        sum(case when activity_movement = 'churned' then 1 else 0 end) as churned_customers,
        sum(case when activity_movement = 'new' then 1 else 0 end) as new_customers,
        sum(case when activity_movement = 'reactivated' then 1 else 0 end) as reactivated_customers,
        sum(case when is_active_at_end then 1 else 0 end) as customers_at_end,
        sum(case when prior_net_amount > 0 then 1 else 0 end) as base_customers,
        sum(case when prior_net_amount > 0 then prior_net_amount else 0 end) as base_amount,
        sum(case when prior_net_amount > 0 then net_amount else 0 end) as kept_amount,
        sum(case when prior_net_amount > 0 then least(net_amount, prior_net_amount) else 0 end)
            as kept_at_most_amount,
        sum(case when is_active_at_end then margin_amount end) as margin_amount,
        sum(case when is_active_at_end and margin_amount is null then 1 else 0 end) as customers_without_margin
    from customer_months
    group by 1, 2, 3
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

milestones_of_entities as (
    {%- for entity_type, entity_id in cuts.items() %}
    select
        period_month,
        '{{ entity_type }}' as entity_type,
        {{ entity_id }} as entity_id,
        sum(became_customer) as became_customer,
        sum(became_repeat_customer) as became_repeat_customer
    from milestones
    group by 1, 2, 3
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

spine as (
    {{ entity_months('months_of_entities') }}
),

joined as (
    select
        spine.period_month,
        spine.entity_type,
        spine.entity_id,
        spine.is_partial_period,
        {%- for column in [
            'customers_at_start', 'retained_customers', 'churned_customers', 'new_customers', 'reactivated_customers',
            'customers_at_end', 'base_customers', 'base_amount', 'kept_amount', 'kept_at_most_amount',
        ] %}
        coalesce(months_of_entities.{{ column }}, 0) as {{ column }},
        {%- endfor %}
        case
            when coalesce(months_of_entities.customers_without_margin, 0) = 0
                then coalesce(months_of_entities.margin_amount, 0)
        end as margin_amount,
        sum(coalesce(milestones_of_entities.became_customer, 0)) over so_far as customers_to_date,
        sum(coalesce(milestones_of_entities.became_repeat_customer, 0)) over so_far as repeat_customers
    from spine
    left join months_of_entities using (period_month, entity_type, entity_id)
    left join milestones_of_entities using (period_month, entity_type, entity_id)
    window
        so_far as (
            partition by spine.entity_type, spine.entity_id
            order by spine.period_month
            rows between unbounded preceding and current row
        )
),

compared as (
    select
        joined.*,
        coalesce({{ add_period('joined.period_month', 'month', -1) }} >= histories.first_whole_month, true)
            as has_whole_month_before,
        coalesce({{ add_period('joined.period_month', 'day', '-' ~ active_days) }} >= histories.covered_from, true)
            as is_start_known
    from joined
    left join {{ ref('int_histories') }} as histories
        on histories.entity = 'orders'
),

rates as (
    select
        *,
        case when is_start_known then {{ safe_divide('retained_customers', 'customers_at_start') }} end as logo_retention,
        case when is_start_known then {{ safe_divide('churned_customers', 'customers_at_start') }} end as churn_rate,
        case
            when is_start_known and customers_at_start > 0
                then greatest({{ safe_divide('churned_customers', 'customers_at_start') }}, {{ 1 / longest_lifetime_months }})
        end as predictive_churn_rate,
        {{ safe_divide('margin_amount', 'customers_at_end') }} as margin_per_active_customer
    from compared
)

select
    period_month,
    entity_type,
    entity_id,
    cast(customers_at_start as bigint) as customers_at_start,
    cast(retained_customers as bigint) as retained_customers,
    cast(churned_customers as bigint) as churned_customers,
    cast(new_customers as bigint) as new_customers,
    cast(reactivated_customers as bigint) as reactivated_customers,
    cast(customers_at_end as bigint) as customers_at_end,
    logo_retention,
    churn_rate,
    cast(customers_to_date as bigint) as customers_to_date,
    cast(repeat_customers as bigint) as repeat_customers,
    {{ safe_divide('repeat_customers', 'customers_to_date') }} as repeat_purchase_rate,
    cast(base_customers as bigint) as base_customers,
    cast(base_amount as decimal(18, 2)) as base_amount,
    cast(kept_amount as decimal(18, 2)) as kept_amount,
    cast(kept_at_most_amount as decimal(18, 2)) as kept_at_most_amount,
    case when has_whole_month_before then {{ safe_divide('kept_amount', 'base_amount') }} end as nrr,
    case when has_whole_month_before then {{ safe_divide('kept_at_most_amount', 'base_amount') }} end as grr,
    cast(margin_amount as decimal(18, 2)) as margin_amount,
    margin_per_active_customer,
    predictive_churn_rate,
    case when not is_partial_period then margin_per_active_customer / predictive_churn_rate end as predictive_value,
    is_partial_period,
    is_start_known
from rates
