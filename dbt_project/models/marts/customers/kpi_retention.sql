-- Customers who stayed, left or came back, and the revenue that was retained; one row per grain, period and company, segment,
-- region or channel (of the first order).
-- logo retention = customers active at start and end / customers active at start. nrr = the period's net revenue from the
-- customers of the period before / their net revenue then; grr counts each of them with at most that. nrr_12m and grr_12m compare
-- with the period twelve months before. Refunds lower all four, and may make them negative. A period in progress ends with the
-- as-of date so far, and is compared with as many days of the earlier one, as are the parts that it is compared with.
-- Rates have no value where the delivered history does not reach: revenue retention until the earlier period was delivered from
-- its beginning; retention and churn until the `active_days` before the period were: whoever is known to be active at its start
-- ordered so recently that nobody can have left.
{% set cuts = {'segment': 'segment', 'region': 'region', 'channel': 'first_channel'} %}
{% set counts = [
    'customers_at_start', 'retained_customers', 'churned_customers', 'new_customers', 'reactivated_customers', 'customers_at_end',
    'base_customers', 'base_customers_12m',
] %}
{% set amounts = [
    'base_amount', 'kept_amount', 'kept_at_most_amount', 'base_amount_12m', 'kept_amount_12m', 'kept_at_most_amount_12m',
    'start_amount', 'new_amount', 'reactivated_amount', 'expansion_amount', 'contraction_amount', 'churned_amount',
    'refund_change_amount', 'end_amount',
] %}
-- Without churn, the lifetime of a customer would be infinite, but nobody can predict more than a few years.
{% set longest_lifetime_months = 60 %}
with

per_attributes as (
    select * from {{ ref('int_retention_by_attributes') }}
),

per_entity as (
    {% call by_cuts('per_attributes', ['grain', 'period_start'], cuts) %}
    {%- for column in counts + amounts %}
        sum({{ column }}) as {{ column }},
    {%- endfor %}
        sum(margin_amount) as margin_amount,
        sum(customers_without_margin) as customers_without_margin
    {% endcall %}
),

spine as (
    {{ entity_periods('per_entity') }}
),

-- The days on which each customer ordered for the first and the second time.
milestones as (
    select
        orders.ordered_on,
        orders.order_number,
        customers.segment,
        customers.region,
        customers.first_channel
    from (
        select
            customer_id,
            ordered_on,
            row_number() over (partition by customer_id order by ordered_on, order_id) as order_number
        from {{ ref('int_counted_orders') }}
        where customer_id is not null
    ) as orders
    left join {{ ref('dim_customer') }} as customers
        on orders.customer_id = customers.customer_id
    where orders.order_number <= 2
),

milestones_of_entities as (
    {% call by_cuts('milestones', ['ordered_on'], cuts) %}
        sum(case when order_number = 1 then 1 else 0 end) as new_customers,
        sum(case when order_number = 2 then 1 else 0 end) as new_repeat_customers
    {% endcall %}
),

-- Customers to date at the end of each period: the rows of periods add nothing to the sum, but show it at their place.
customers_by_day as (
    select
        entity_type,
        entity_id,
        grain,
        period_start,
        sum(new_customers) over so_far as customers_to_date,
        sum(new_repeat_customers) over so_far as repeat_customers
    from (
        select
            entity_type,
            entity_id,
            cast(null as string) as grain,
            cast(null as date) as period_start,
            {{ add_period('ordered_on', 'day', 1) }} as counted_until,
            new_customers,
            new_repeat_customers
        from milestones_of_entities
        union all
        select
            entity_type,
            entity_id,
            grain,
            period_start,
            counted_until,
            0 as new_customers,
            0 as new_repeat_customers
        from spine
    ) as milestones_and_periods
    window
        so_far as (
            partition by entity_type, entity_id
            order by counted_until
            range between unbounded preceding and current row
        )
),

joined as (
    select
        spine.grain,
        spine.period_start,
        spine.entity_type,
        spine.entity_id,
        spine.is_partial_period,
        {%- for column in counts + amounts %}
        coalesce(per_entity.{{ column }}, 0) as {{ column }},
        {%- endfor %}
        case
            when coalesce(per_entity.customers_without_margin, 0) = 0 then coalesce(per_entity.margin_amount, 0)
        end as margin_amount,
        customers_by_day.customers_to_date,
        customers_by_day.repeat_customers,
        coalesce(periods.prior_period_start >= histories.covered_from, true) as is_prior_known,
        coalesce(periods.last_year_period_start >= histories.covered_from, true) as is_last_year_known,
        coalesce({{ add_period('spine.period_start', 'day', '-' ~ var('active_days')) }} >= histories.covered_from, true)
            as is_start_known
    from spine
    inner join {{ ref('int_periods') }} as periods using (grain, period_start)
    inner join customers_by_day using (grain, period_start, entity_type, entity_id)
    left join per_entity using (grain, period_start, entity_type, entity_id)
    left join {{ ref('int_histories') }} as histories
        on histories.entity = 'orders'
),

rates as (
    select
        *,
        case when is_start_known then {{ safe_divide('retained_customers', 'customers_at_start') }} end as logo_retention,
        case when is_start_known then {{ safe_divide('churned_customers', 'customers_at_start') }} end as churn_rate,
        -- The predicted value is by month: neither the margin of a week nor its churn is that of a month.
        case
            when grain = 'month' and is_start_known and customers_at_start > 0
                then greatest({{ safe_divide('churned_customers', 'customers_at_start') }}, {{ 1 / longest_lifetime_months }})
        end as predictive_churn_rate,
        case when grain = 'month' then {{ safe_divide('margin_amount', 'customers_at_end') }} end as margin_per_active_customer
    from joined
)

select
    grain,
    period_start,
    entity_type,
    entity_id,
    {%- for column in counts[:6] %}
    cast({{ column }} as bigint) as {{ column }},
    {%- endfor %}
    logo_retention,
    churn_rate,
    cast(customers_to_date as bigint) as customers_to_date,
    cast(repeat_customers as bigint) as repeat_customers,
    {{ safe_divide('repeat_customers', 'customers_to_date') }} as repeat_purchase_rate,
    {%- for suffix, is_known in [['', 'is_prior_known'], ['_12m', 'is_last_year_known']] %}
    cast(base_customers{{ suffix }} as bigint) as base_customers{{ suffix }},
    cast(base_amount{{ suffix }} as decimal(18, 2)) as base_amount{{ suffix }},
    cast(kept_amount{{ suffix }} as decimal(18, 2)) as kept_amount{{ suffix }},
    cast(kept_at_most_amount{{ suffix }} as decimal(18, 2)) as kept_at_most_amount{{ suffix }},
    case when {{ is_known }} then {{ safe_divide('kept_amount' ~ suffix, 'base_amount' ~ suffix) }} end as nrr{{ suffix }},
    case when {{ is_known }} then {{ safe_divide('kept_at_most_amount' ~ suffix, 'base_amount' ~ suffix) }} end
        as grr{{ suffix }},
    {%- endfor %}
    {%- for column in amounts[6:] %}
    cast({{ column }} as decimal(18, 2)) as {{ column }},
    {%- endfor %}
    cast(margin_amount as decimal(18, 2)) as margin_amount,
    margin_per_active_customer,
    predictive_churn_rate,
    case when not is_partial_period then margin_per_active_customer / predictive_churn_rate end as predictive_value,
    is_partial_period,
    is_start_known
from rates
