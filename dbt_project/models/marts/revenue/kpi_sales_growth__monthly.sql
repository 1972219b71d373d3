-- Growth of net revenue over earlier spans; one row per month and company, channel, rep, team, region or segment.
-- growth = (this span − the earlier span) / the earlier span, for complete months only. It is NULL unless the earlier span is
-- complete and above zero. A month in which the delivered history began late is not complete.
with

monthly as (
    select
        revenue.*,
        case when revenue.period_month >= coalesce(histories.first_whole_month, revenue.period_month) then revenue.net_amount end
            as whole_month_net
    from {{ ref('kpi_revenue__monthly') }} as revenue
    left join {{ ref('int_histories') }} as histories
        on histories.entity = 'orders'
),

-- An entity has a row for every month since its first month, so counting rows is counting months.
spans as (
    select
        period_month,
        entity_type,
        entity_id,
        is_partial_period,
        orders,
        net_amount,
        whole_month_net,
        sum(orders) over last_3 as orders_3_months,
        sum(orders) over last_12 as orders_12_months,
        case when count(whole_month_net) over last_3 = 3 then sum(whole_month_net) over last_3 end as net_3_months,
        case when count(whole_month_net) over last_12 = 12 then sum(whole_month_net) over last_12 end as net_12_months
    from monthly
    window
        last_3 as (
            partition by entity_type, entity_id order by period_month rows between 2 preceding and current row
        ),
        last_12 as (
            partition by entity_type, entity_id order by period_month rows between 11 preceding and current row
        )
),

compared as (
    select
        *,
        lag(whole_month_net, 1) over months as prior_month_net,
        lag(whole_month_net, 12) over months as prior_year_net,
        lag(net_3_months, 3) over months as prior_3_months_net,
        lag(net_12_months, 12) over months as prior_12_months_net
    from spans
    window
        months as (partition by entity_type, entity_id order by period_month)
)

select
    period_month,
    entity_type,
    entity_id,
    cast(orders as bigint) as orders,
    cast(orders_3_months as bigint) as orders_3_months,
    cast(orders_12_months as bigint) as orders_12_months,
    net_amount,
    cast(net_3_months as decimal(18, 2)) as net_3_months,
    cast(net_12_months as decimal(18, 2)) as net_12_months,
    prior_month_net,
    prior_year_net,
    cast(prior_3_months_net as decimal(18, 2)) as prior_3_months_net,
    cast(prior_12_months_net as decimal(18, 2)) as prior_12_months_net,
    {{ period_start('quarter', add_period('period_month', 'month', 1)) }} = {{ add_period('period_month', 'month', 1) }}
        as is_quarter_end,
    case when not is_partial_period then {{ growth('net_amount', 'prior_month_net') }} end as growth_month,
    case when not is_partial_period then {{ growth('net_amount', 'prior_year_net') }} end as growth_year,
    case when not is_partial_period then {{ growth('net_3_months', 'prior_3_months_net') }} end as growth_3_months,
    case when not is_partial_period then {{ growth('net_12_months', 'prior_12_months_net') }} end as growth_12_months,
    is_partial_period
from compared
