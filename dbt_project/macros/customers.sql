{# What customers did in periods. `periods` is a relation with rows of `int_periods`: only what these contain is computed. #}


{# The days that count for each of the `periods`; one row per grain, period_start and part, [first_day, counted_until). The part
   is `period` itself, or one that it is compared with, `prior` or `last_year`. A period in progress ends with the as-of date so
   far, and is compared with as many days of the period before and of the period twelve months before (52 weeks before, for a
   week). So is a part of an earlier period, whose grain ends in `_to_date`. #}
{% macro parts_of_periods(periods) -%}
    select
        grain,
        period_start,
        'period' as part,
        period_start as first_day,
        counted_until
    from {{ periods }}
    {%- for name in ['prior', 'last_year'] %}
    union all
    select
        periods.grain,
        periods.period_start,
        '{{ name }}' as part,
        earlier.period_start as first_day,
        case
            when periods.grain = earlier.grain and not periods.is_partial_period then earlier.period_end
            else least(
                earlier.period_end,
                {{ add_days('earlier.period_start', days_from('periods.period_start', 'periods.counted_until')) }}
            )
        end as counted_until
    from {{ periods }} as periods
    inner join {{ ref('int_periods') }} as earlier
        on
            periods.grain in (earlier.grain, concat(earlier.grain, '_to_date'))
            and periods.{{ name }}_period_start = earlier.period_start
    where earlier.grain in ({{ text_list(grains()) }})
    {%- endfor %}
{%- endmacro %}


{# What each customer bought; one row per grain, period_start and customer_id with an order or net revenue in the period or in one
   that it is compared with. is_active_at_end says whether the customer is active when the period ends. #}
{% macro bought_in(periods) -%}
    {%- set comparisons = ['prior', 'last_year'] -%}
    with

    days_of_parts as (
        select
            days.date_day,
            parts.grain,
            parts.period_start,
            parts.part
        from {{ ref('int_days') }} as days
        inner join ({{ parts_of_periods(periods) }}) as parts
            on
                days.date_day >= parts.first_day
                and days.date_day < parts.counted_until
    ),

    days_of_customers as (
        select
            customer_id,
            date_day,
            sum(orders) as orders,
            sum(net_amount) as net_amount,
            sum(margin_amount) as margin_amount,
            sum(items_without_cost) as items_without_cost
        from ({{ days_of_customers() }}) as orders_and_movements
        group by 1, 2
    ),

    per_customer as (
        select
            {%- for column in ['orders', 'net_amount', 'margin_amount', 'items_without_cost'] %}
            sum(case when days_of_parts.part = 'period' then days_of_customers.{{ column }} else 0 end) as {{ column }},
            {%- endfor %}
            {%- for name in comparisons %}
            sum(case when days_of_parts.part = '{{ name }}' then days_of_customers.net_amount else 0 end) as {{ name }}_net_amount,
            {%- endfor %}
            days_of_customers.customer_id,
            days_of_parts.grain,
            days_of_parts.period_start
        from days_of_customers
        inner join days_of_parts
            on days_of_customers.date_day = days_of_parts.date_day
        group by days_of_customers.customer_id, days_of_parts.grain, days_of_parts.period_start
    ),

    joined as (
        select
            per_customer.*,
            periods.is_partial_period,
            customers.cohort_month,
            customers.segment,
            customers.region,
            customers.first_channel,
            coalesce(
                customers.first_ordered_on >= periods.period_start and customers.first_ordered_on < periods.counted_until, false
            ) as is_new,
            activity.customer_id is not null as is_active_at_end
        from per_customer
        inner join {{ periods }} as periods
            on
                per_customer.grain = periods.grain
                and per_customer.period_start = periods.period_start
        left join {{ ref('dim_customer') }} as customers
            on per_customer.customer_id = customers.customer_id
        left join {{ ref('int_customer_activity') }} as activity
            on
                per_customer.customer_id = activity.customer_id
                and periods.counted_until >= activity.active_from
                and periods.counted_until < activity.active_until
    )

    select
        grain,
        period_start,
        customer_id,
        cohort_month,
        coalesce(segment, 'unassigned') as segment,
        coalesce(region, 'unassigned') as region,
        coalesce(first_channel, 'unassigned') as first_channel,
        cast(orders as bigint) as orders,
        cast(net_amount as decimal(18, 2)) as net_amount,
        -- If the cost of only some items were known, the margin would be too high.
        case when items_without_cost = 0 then cast(margin_amount as decimal(18, 2)) end as margin_amount,
        cast(prior_net_amount as decimal(18, 2)) as prior_net_amount,
        cast(last_year_net_amount as decimal(18, 2)) as last_year_net_amount,
        cast(net_amount - prior_net_amount as decimal(18, 2)) as net_change_amount,
        is_active_at_end,
        -- A fall from something to nothing is churn, not contraction.
        case
            when prior_net_amount > 0 and net_amount <= 0 then 'churned'
            when prior_net_amount > 0 and net_amount > prior_net_amount then 'expansion'
            when prior_net_amount > 0 and net_amount < prior_net_amount then 'contraction'
            when prior_net_amount > 0 then 'retained'
            when net_amount > 0 and is_new then 'new'
            when net_amount > 0 then 'reactivated'
            else 'none'
        end as revenue_movement,
        is_partial_period
    from joined
{%- endmacro %}


{# Orders, and sales and refunds, of each customer by date: several rows per customer_id and date_day. #}
{% macro days_of_customers() -%}
    select
        customer_id,
        ordered_on as date_day,
        1 as orders,
        0 as net_amount,
        0 as margin_amount,
        0 as items_without_cost
    from {{ ref('int_counted_orders') }}
    where customer_id is not null
    union all
    select
        customer_id,
        moved_on as date_day,
        0 as orders,
        net_amount,
        margin_amount,
        items_without_cost
    from {{ ref('int_customer_movements') }}
{%- endmacro %}


{# Who is active at the start or the end; one row per grain, period_start and customer_id. Money is apart, in `bought_in`:
   customers are active in many more weeks than they buy in. #}
{% macro active_in(periods) -%}
    with

    active as (
        select
            activity.customer_id,
            periods.grain,
            periods.period_start,
            periods.counted_until,
            periods.is_partial_period,
            bool_or(activity.active_from <= periods.period_start) as is_active_at_start,
            bool_or(activity.active_until > periods.counted_until) as is_active_at_end
        from {{ ref('int_customer_activity') }} as activity
        inner join {{ periods }} as periods
            on
                activity.active_from <= periods.counted_until
                and activity.active_until > periods.period_start
        where
            activity.active_from <= periods.period_start
            or activity.active_until > periods.counted_until
        group by 1, 2, 3, 4, 5
    )

    select
        active.grain,
        active.period_start,
        active.customer_id,
        customers.cohort_month,
        coalesce(customers.segment, 'unassigned') as segment,
        coalesce(customers.region, 'unassigned') as region,
        coalesce(customers.first_channel, 'unassigned') as first_channel,
        active.is_active_at_start,
        active.is_active_at_end,
        case
            when active.is_active_at_start and active.is_active_at_end then 'retained'
            when active.is_active_at_start then 'churned'
            when customers.first_ordered_on >= active.period_start and customers.first_ordered_on < active.counted_until then 'new'
            else 'reactivated'
        end as activity_movement,
        active.is_partial_period
    from active
    left join {{ ref('dim_customer') }} as customers
        on active.customer_id = customers.customer_id
{%- endmacro %}
