-- Deals won of deals closed, and the pipeline behind them; one row per grain, period and company, account executive (rep), team,
-- office, segment, region, product or category of products. There are offices only if some rep has one, products and categories
-- only if some deal names one.
-- Closed basis: deals closed in the period. Created basis: deals created in the period, as far as they have closed so far.
-- Open deals are in neither rate. The owner is the one at the close; the team and office are the owner's on the day that counts.
-- There is a rate by value only if at least half of the won deals and half of the lost deals have an amount: if lost deals
-- have none, every deal with a value seems won.
{% set cuts = {
    'rep': 'owner_id', 'team': 'team', 'office': 'office', 'segment': 'segment', 'region': 'region', 'product': 'product',
    'category': 'product_category',
} %}
{% set bases = {'deals_closed': "basis = 'closed'", 'deals_created': "basis = 'created'"} %}
{% set owner_cuts = {'rep': 'rep_id', 'team': 'team', 'office': 'office'} %}
-- The linter misjudges the layout of loops within a call.
-- noqa: disable=LT02
with

opportunities as (
    select * from {{ ref('fct_opportunities') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

-- A deal counts on the day it closed, and again on the day it was created.
counted as (
    {%- for basis, is_counted in [('closed', 'is_closed'), ('created', 'created_on is not null')] %}
    select
        *,
        '{{ basis }}' as basis,
        {{ basis }}_on as counted_on,
        {{ basis }}_team as team,
        {{ basis }}_office as office
    from opportunities
    where {{ is_counted }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

counted_in_periods as (
    {{ in_periods('counted', 'counted_on') }}
),

deals as (
    {% call by_cuts('counted_in_periods', ['grain', 'period_start'], cuts, optional=['office', 'product', 'category']) %}
        {{ part_columns('kpi_win_rate', bases) }},
        {%- for basis, prefix in [('closed', ''), ('created', 'created_')] %}
        {%- for outcome in ['won', 'lost'] %}
        sum(case when basis = '{{ basis }}' and is_{{ outcome }} and amount <> 0 then 1 else 0 end)
            as {{ prefix }}{{ outcome }}_with_amount,
        {%- endfor %}
        {%- endfor %}
        sum(case when basis = 'created' then 1 else 0 end) as created_opportunities,
        sum(case when basis = 'closed' and is_won then amount * amount else 0 end) as won_amount_squares
    {% endcall %}
),

-- The pipeline at the start of a period is the pipeline at the end of the day before.
open_at_start as (
    select
        pipeline_daily.*,
        periods.grain,
        periods.period_start
    from {{ ref('fct_pipeline_daily') }} as pipeline_daily
    inner join periods
        on {{ add_period('pipeline_daily.date_day', 'day', 1) }} = periods.period_start
),

pipeline as (
    {% call by_cuts('open_at_start', ['grain', 'period_start'], owner_cuts, optional=['office']) %}
        sum(open_opportunities) as open_opportunities,
        sum(open_amount) as open_amount
    {% endcall %}
),

quota_days as (
    select
        date_day,
        entity_id as rep_id,
        team,
        office,
        daily_target
    from {{ ref('fct_quota_daily') }}
    where
        kpi_id = 'revenue'
        and entity_type = 'rep'
),

-- The reps' quotas, and what they sold on days that have quotas. Sales without a rep count towards nobody's quota.
due_and_sold as (
    select
        date_day,
        rep_id,
        team,
        office,
        daily_target,
        cast(null as decimal(18, 2)) as net_amount
    from quota_days
    union all
    select
        revenue.business_date as date_day,
        revenue.rep_id,
        revenue.team,
        revenue.office,
        cast(null as decimal(18, 2)) as daily_target,
        revenue.net_amount
    from {{ ref('kpi_revenue__daily') }} as revenue
    inner join (select distinct date_day from quota_days) as days_with_quotas
        on revenue.business_date = days_with_quotas.date_day
    where revenue.rep_id <> 'unassigned'
),

due_and_sold_by_day as (
    {% call by_cuts('due_and_sold', ['date_day'], owner_cuts, optional=['office']) %}
        sum(daily_target) as revenue_quota,
        sum(net_amount) as net_amount
    {% endcall %}
),

attained as (
    {{ sums_in_periods('due_and_sold_by_day', 'date_day', ['revenue_quota', 'net_amount']) }}
),

-- Whole periods, also those in progress: the pipeline at the start has all of the period to close.
quotas as (
    select
        periods.grain,
        periods.period_start,
        by_day.entity_type,
        by_day.entity_id,
        sum(by_day.revenue_quota) as revenue_quota,
        max(case when by_day.entity_type = 'company' then count(*) end) over (
            partition by periods.grain, periods.period_start
        ) = {{ days_from('periods.period_start', 'periods.period_end') }} as has_every_day
    from due_and_sold_by_day as by_day
    inner join periods
        on
            by_day.date_day >= periods.period_start
            and by_day.date_day < periods.period_end
    where
        periods.grain in ({{ text_list(grains()) }})
        and by_day.revenue_quota is not null
    group by 1, 2, 3, 4, periods.period_end
),

active_periods as (
    {%- for relation in ['deals', 'pipeline', 'quotas'] %}
    select
        grain,
        period_start,
        entity_type,
        entity_id
    from {{ relation }}
    {{ 'union' if not loop.last }}
    {%- endfor %}
),

spine as (
    {{ entity_periods('active_periods') }}
),

joined as (
    select
        spine.grain,
        spine.period_start,
        spine.entity_type,
        spine.entity_id,
        spine.is_partial_period,
        {%- for prefix in ['', 'created_'] %}
        {%- for outcome in ['closed', 'won'] %}
        coalesce(deals.{{ prefix }}{{ outcome }}_opportunities, 0) as {{ prefix }}{{ outcome }}_opportunities,
        coalesce(deals.{{ prefix }}{{ outcome }}_amount, 0) as {{ prefix }}{{ outcome }}_amount,
        {%- endfor %}
        coalesce(deals.{{ prefix }}won_with_amount, 0) as {{ prefix }}won_with_amount,
        coalesce(deals.{{ prefix }}lost_with_amount, 0) as {{ prefix }}lost_with_amount,
        {%- endfor %}
        coalesce(deals.created_opportunities, 0) as created_opportunities,
        coalesce(deals.won_amount_squares, 0) as won_amount_squares,
        coalesce(deals.cycle_opportunities, 0) as cycle_opportunities,
        deals.mean_cycle_days,
        deals.median_cycle_days,
        deals.p90_cycle_days,
        -- An empty pipeline exists only for entities that can have a pipeline.
        case when spine.entity_type in ('company', 'rep', 'team', 'office') then coalesce(pipeline.open_opportunities, 0) end
            as open_opportunities_at_start,
        case when spine.entity_type in ('company', 'rep', 'team', 'office') then coalesce(pipeline.open_amount, 0) end
            as open_amount_at_start,
        case when quotas.has_every_day then quotas.revenue_quota end as revenue_quota,
        attained.revenue_quota as revenue_quota_to_date,
        attained.net_amount as credited_amount
    from spine
    left join deals using (grain, period_start, entity_type, entity_id)
    left join pipeline using (grain, period_start, entity_type, entity_id)
    left join attained using (grain, period_start, entity_type, entity_id)
    left join quotas
        on
            replace(spine.grain, '_to_date', '') = quotas.grain
            and spine.period_start = quotas.period_start
            and spine.entity_type = quotas.entity_type
            and spine.entity_id = quotas.entity_id
)

select
    grain,
    period_start,
    entity_type,
    entity_id,
    cast(closed_opportunities as bigint) as closed_opportunities,
    cast(won_opportunities as bigint) as won_opportunities,
    cast(closed_opportunities - won_opportunities as bigint) as lost_opportunities,
    cast(closed_amount as decimal(18, 2)) as closed_amount,
    cast(won_amount as decimal(18, 2)) as won_amount,
    cast(closed_amount - won_amount as decimal(18, 2)) as lost_amount,
    {{ safe_divide('won_opportunities', 'closed_opportunities') }} as win_rate_closed_count,
    cast(closed_opportunities - won_with_amount - lost_with_amount as bigint) as closed_without_amount,
    case
        when 2 * won_with_amount >= won_opportunities and 2 * lost_with_amount >= closed_opportunities - won_opportunities
            then {{ safe_divide('won_amount', 'closed_amount') }}
    end as win_rate_closed_value,
    {{ safe_divide('won_amount', 'won_opportunities') }} as average_deal_value,
    {{ mean_bound('won_opportunities', 'won_amount', 'won_amount_squares', '-') }} as average_deal_value_low,
    {{ mean_bound('won_opportunities', 'won_amount', 'won_amount_squares', '+') }} as average_deal_value_high,
    cast(cycle_opportunities as bigint) as cycle_opportunities,
    cast(mean_cycle_days as double) as mean_cycle_days,
    cast(median_cycle_days as double) as median_cycle_days,
    cast(p90_cycle_days as double) as p90_cycle_days,
    cast(created_opportunities as bigint) as created_opportunities,
    cast(created_closed_opportunities as bigint) as created_closed_opportunities,
    cast(created_won_opportunities as bigint) as created_won_opportunities,
    cast(created_closed_amount as decimal(18, 2)) as created_closed_amount,
    cast(created_won_amount as decimal(18, 2)) as created_won_amount,
    {{ safe_divide('created_won_opportunities', 'created_closed_opportunities') }}
        as win_rate_created_count,
    case
        when
            2 * created_won_with_amount >= created_won_opportunities
            and 2 * created_lost_with_amount >= created_closed_opportunities - created_won_opportunities
            then {{ safe_divide('created_won_amount', 'created_closed_amount') }}
    end as win_rate_created_value,
    cast(open_opportunities_at_start as bigint) as open_opportunities_at_start,
    cast(open_amount_at_start as decimal(18, 2)) as open_amount_at_start,
    cast(revenue_quota as decimal(18, 2)) as revenue_quota,
    {{ safe_divide('open_amount_at_start', 'revenue_quota') }} as pipeline_coverage,
    {{ safe_divide('open_opportunities_at_start * won_amount', 'closed_opportunities') }}
        as expected_pipeline_value,
    {{ safe_divide(
        safe_divide('open_opportunities_at_start * won_amount', 'closed_opportunities'),
        'mean_cycle_days',
    ) }} as pipeline_velocity,
    {{ safe_divide('credited_amount', 'revenue_quota_to_date') }} as quota_attainment,
    is_partial_period
from joined
