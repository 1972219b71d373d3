-- Growth of net revenue over earlier periods; one row per grain, period and company, or entity of a cut of revenue.
-- growth = (this period − the earlier one) / the earlier one, for complete periods only. It is NULL unless the earlier period is
-- complete and above zero. A period in which the delivered history began late is not complete. Months are also compared in spans
-- of 3 and of 12.
with

revenue as (
    select
        revenue.*,
        case
            when revenue.period_start >= coalesce(histories.covered_from, revenue.period_start) then revenue.net_amount
        end as whole_net
    from {{ ref('kpi_revenue') }} as revenue
    left join {{ ref('int_histories') }} as histories
        on histories.entity = 'orders'
    where
        revenue.grain in ({{ text_list(grains()) }})
        and revenue.entity_type <> 'product'
),

periods as (
    select * from {{ ref('int_periods') }}
),

-- An entity has a row for every month since its first month, so counting rows is counting months.
spans as (
    select
        period_start,
        entity_type,
        entity_id,
        sum(orders) over last_3 as orders_3_months,
        sum(orders) over last_12 as orders_12_months,
        case when count(whole_net) over last_3 = 3 then sum(whole_net) over last_3 end as net_3_months,
        case when count(whole_net) over last_12 = 12 then sum(whole_net) over last_12 end as net_12_months
    from revenue
    where grain = 'month'
    window
        last_3 as (
            partition by entity_type, entity_id order by period_start rows between 2 preceding and current row
        ),
        last_12 as (
            partition by entity_type, entity_id order by period_start rows between 11 preceding and current row
        )
),

of_months as (
    select
        *,
        'month' as grain,
        {{ period_start('quarter', add_period('period_start', 'month', 1)) }} = {{ add_period('period_start', 'month', 1) }}
            as is_quarter_end,
        lag(net_3_months, 3) over months as prior_3_months_net,
        lag(net_12_months, 12) over months as prior_12_months_net
    from spans
    window
        months as (partition by entity_type, entity_id order by period_start)
),

compared as (
    select
        revenue.grain,
        revenue.period_start,
        revenue.entity_type,
        revenue.entity_id,
        revenue.is_partial_period,
        revenue.orders,
        of_months.orders_3_months,
        of_months.orders_12_months,
        revenue.net_amount,
        of_months.net_3_months,
        of_months.net_12_months,
        period_before.whole_net as prior_net,
        year_before.whole_net as last_year_net,
        of_months.prior_3_months_net,
        of_months.prior_12_months_net,
        coalesce(of_months.is_quarter_end, false) as is_quarter_end
    from revenue
    inner join periods
        on
            revenue.grain = periods.grain
            and revenue.period_start = periods.period_start
    left join revenue as period_before
        on
            revenue.grain = period_before.grain
            and periods.prior_period_start = period_before.period_start
            and revenue.entity_type = period_before.entity_type
            and revenue.entity_id = period_before.entity_id
    left join revenue as year_before
        on
            revenue.grain = year_before.grain
            and periods.last_year_period_start = year_before.period_start
            and revenue.entity_type = year_before.entity_type
            and revenue.entity_id = year_before.entity_id
    left join of_months
        on
            revenue.grain = of_months.grain
            and revenue.period_start = of_months.period_start
            and revenue.entity_type = of_months.entity_type
            and revenue.entity_id = of_months.entity_id
)

select
    grain,
    period_start,
    entity_type,
    entity_id,
    orders,
    cast(orders_3_months as bigint) as orders_3_months,
    cast(orders_12_months as bigint) as orders_12_months,
    net_amount,
    cast(net_3_months as decimal(18, 2)) as net_3_months,
    cast(net_12_months as decimal(18, 2)) as net_12_months,
    prior_net,
    last_year_net,
    cast(prior_3_months_net as decimal(18, 2)) as prior_3_months_net,
    cast(prior_12_months_net as decimal(18, 2)) as prior_12_months_net,
    is_quarter_end,
    case when not is_partial_period then {{ growth('net_amount', 'prior_net') }} end as growth,
    case when not is_partial_period then {{ growth('net_amount', 'last_year_net') }} end as growth_year,
    case when not is_partial_period then {{ growth('net_3_months', 'prior_3_months_net') }} end as growth_3_months,
    case when not is_partial_period then {{ growth('net_12_months', 'prior_12_months_net') }} end as growth_12_months,
    is_partial_period
from compared
