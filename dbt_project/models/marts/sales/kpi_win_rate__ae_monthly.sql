-- Deals won of deals closed, and the pipeline behind them; one row per month and company, account executive (rep), team,
-- segment, region or product. There are products only if some deal names one.
-- Closed basis: deals closed in the month. Created basis: deals created in the month, as far as they have closed so far.
-- Open deals are in neither rate. The owner is the one at the close; the team is the owner's on the day that counts.
-- There is a rate by value only if at least half of the won deals and half of the lost deals have an amount: if lost deals
-- have none, every deal with a value seems won.
{% set cuts = {
    'company': ["'company'", "'company'"],
    'rep': ['owner_id', 'owner_id'],
    'team': ['closed_team', 'created_team'],
    'segment': ['segment', 'segment'],
    'region': ['region', 'region'],
    'product': ['product', 'product'],
} %}
{% set pipeline_cuts = {'company': "'company'", 'rep': 'rep_id', 'team': 'team'} %}
with

opportunities as (
    select
        *,
        count(product) over () > 0 as are_products_named
    from {{ ref('fct_opportunities') }}
),

closed as (
    {%- for entity_type, (closed_entity, _) in cuts.items() %}
    select
        {{ period_start('month', 'closed_on') }} as period_month,
        '{{ entity_type }}' as entity_type,
        coalesce({{ closed_entity }}, 'unassigned') as entity_id,
        sum(case when is_won then 1 else 0 end) as won_opportunities,
        sum(case when is_lost then 1 else 0 end) as lost_opportunities,
        sum(case when is_won then amount else 0 end) as won_amount,
        sum(case when is_lost then amount else 0 end) as lost_amount,
        sum(case when is_won and amount <> 0 then 1 else 0 end) as won_with_amount,
        sum(case when is_lost and amount <> 0 then 1 else 0 end) as lost_with_amount,
        count(case when is_won then cycle_days end) as cycle_opportunities,
        avg(case when is_won then cycle_days end) as mean_cycle_days,
        {{ percentile('case when is_won then cycle_days end', 0.5) }} as median_cycle_days,
        {{ percentile('case when is_won then cycle_days end', 0.9) }} as p90_cycle_days
    from opportunities
    where
        is_closed
        {%- if entity_type == 'product' %}
        and are_products_named
        {%- endif %}
    group by 1, 2, 3
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

created as (
    {%- for entity_type, (_, created_entity) in cuts.items() %}
    select
        {{ period_start('month', 'created_on') }} as period_month,
        '{{ entity_type }}' as entity_type,
        coalesce({{ created_entity }}, 'unassigned') as entity_id,
        count(*) as opportunities,
        sum(case when is_won then 1 else 0 end) as won_opportunities,
        sum(case when is_lost then 1 else 0 end) as lost_opportunities,
        sum(case when is_won then amount else 0 end) as won_amount,
        sum(case when is_lost then amount else 0 end) as lost_amount,
        sum(case when is_won and amount <> 0 then 1 else 0 end) as won_with_amount,
        sum(case when is_lost and amount <> 0 then 1 else 0 end) as lost_with_amount
    from opportunities
    where
        created_on is not null
        {%- if entity_type == 'product' %}
        and are_products_named
        {%- endif %}
    group by 1, 2, 3
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

-- The pipeline at the start of a month is the pipeline at the end of the day before.
pipeline as (
    {%- for entity_type, entity_id in pipeline_cuts.items() %}
    select
        {{ add_period('date_day', 'day', 1) }} as period_month,
        '{{ entity_type }}' as entity_type,
        {{ entity_id }} as entity_id,
        sum(open_opportunities) as open_opportunities,
        sum(open_amount) as open_amount
    from {{ ref('fct_pipeline_daily') }}
    where {{ add_period('date_day', 'day', 1) }} = {{ period_start('month', add_period('date_day', 'day', 1)) }}
    group by 1, 2, 3
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

-- The reps' quotas, and what they sold. Sales without a rep count towards nobody's quota.
quotas as (
    {%- for entity_type, entity_id in pipeline_cuts.items() %}
    select
        period_month,
        '{{ entity_type }}' as entity_type,
        {{ entity_id | replace('rep_id', 'entity_id') }} as entity_id,
        sum(daily_target) as revenue_quota,
        sum(case when is_elapsed then daily_target else 0 end) as revenue_quota_to_date
    from {{ ref('fct_quota_daily') }}
    where
        kpi_id = 'revenue'
        and entity_type = 'rep'
    group by 1, 2, 3
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

credited as (
    {%- for entity_type, entity_id in pipeline_cuts.items() %}
    select
        {{ period_start('month', 'business_date') }} as period_month,
        '{{ entity_type }}' as entity_type,
        {{ entity_id }} as entity_id,
        sum(net_amount) as net_amount
    from {{ ref('kpi_revenue__daily') }}
    where rep_id <> 'unassigned'
    group by 1, 2, 3
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

active_months as (
    {%- for relation in ['closed', 'created', 'pipeline', 'quotas'] %}
    select period_month, entity_type, entity_id from {{ relation }}
    {{ 'union' if not loop.last }}
    {%- endfor %}
),

spine as (
    {{ entity_months('active_months') }}
),

joined as (
    select
        spine.period_month,
        spine.entity_type,
        spine.entity_id,
        spine.is_partial_period,
        coalesce(closed.won_opportunities, 0) as won_opportunities,
        coalesce(closed.lost_opportunities, 0) as lost_opportunities,
        coalesce(closed.won_amount, 0) as won_amount,
        coalesce(closed.lost_amount, 0) as lost_amount,
        coalesce(closed.won_with_amount, 0) as won_with_amount,
        coalesce(closed.lost_with_amount, 0) as lost_with_amount,
        coalesce(closed.cycle_opportunities, 0) as cycle_opportunities,
        closed.mean_cycle_days,
        closed.median_cycle_days,
        closed.p90_cycle_days,
        coalesce(created.opportunities, 0) as created_opportunities,
        coalesce(created.won_opportunities, 0) as created_won_opportunities,
        coalesce(created.lost_opportunities, 0) as created_lost_opportunities,
        coalesce(created.won_amount, 0) as created_won_amount,
        coalesce(created.lost_amount, 0) as created_lost_amount,
        coalesce(created.won_with_amount, 0) as created_won_with_amount,
        coalesce(created.lost_with_amount, 0) as created_lost_with_amount,
        -- An empty pipeline exists only for entities that can have a pipeline.
        case when spine.entity_type in ('company', 'rep', 'team') then coalesce(pipeline.open_opportunities, 0) end
            as open_opportunities_at_start,
        case when spine.entity_type in ('company', 'rep', 'team') then coalesce(pipeline.open_amount, 0) end
            as open_amount_at_start,
        quotas.revenue_quota,
        quotas.revenue_quota_to_date,
        credited.net_amount as credited_amount
    from spine
    left join closed using (period_month, entity_type, entity_id)
    left join created using (period_month, entity_type, entity_id)
    left join pipeline using (period_month, entity_type, entity_id)
    left join quotas using (period_month, entity_type, entity_id)
    left join credited using (period_month, entity_type, entity_id)
)

select
    period_month,
    entity_type,
    entity_id,
    cast(won_opportunities + lost_opportunities as bigint) as closed_opportunities,
    cast(won_opportunities as bigint) as won_opportunities,
    cast(lost_opportunities as bigint) as lost_opportunities,
    cast(won_amount + lost_amount as decimal(18, 2)) as closed_amount,
    cast(won_amount as decimal(18, 2)) as won_amount,
    cast(lost_amount as decimal(18, 2)) as lost_amount,
    {{ safe_divide('won_opportunities', 'won_opportunities + lost_opportunities') }} as win_rate_closed_count,
    cast(won_opportunities + lost_opportunities - won_with_amount - lost_with_amount as bigint) as closed_without_amount,
    case
        when 2 * won_with_amount >= won_opportunities and 2 * lost_with_amount >= lost_opportunities
            then {{ safe_divide('won_amount', 'won_amount + lost_amount') }}
    end as win_rate_closed_value,
    {{ safe_divide('won_amount', 'won_opportunities') }} as average_deal_value,
    cast(cycle_opportunities as bigint) as cycle_opportunities,
    cast(mean_cycle_days as double) as mean_cycle_days,
    cast(median_cycle_days as double) as median_cycle_days,
    cast(p90_cycle_days as double) as p90_cycle_days,
    cast(created_opportunities as bigint) as created_opportunities,
    cast(created_won_opportunities + created_lost_opportunities as bigint) as created_closed_opportunities,
    cast(created_won_opportunities as bigint) as created_won_opportunities,
    cast(created_won_amount + created_lost_amount as decimal(18, 2)) as created_closed_amount,
    cast(created_won_amount as decimal(18, 2)) as created_won_amount,
    {{ safe_divide('created_won_opportunities', 'created_won_opportunities + created_lost_opportunities') }}
        as win_rate_created_count,
    case
        when
            2 * created_won_with_amount >= created_won_opportunities
            and 2 * created_lost_with_amount >= created_lost_opportunities
            then {{ safe_divide('created_won_amount', 'created_won_amount + created_lost_amount') }}
    end as win_rate_created_value,
    cast(open_opportunities_at_start as bigint) as open_opportunities_at_start,
    cast(open_amount_at_start as decimal(18, 2)) as open_amount_at_start,
    cast(revenue_quota as decimal(18, 2)) as revenue_quota,
    {{ safe_divide('open_amount_at_start', 'revenue_quota') }} as pipeline_coverage,
    {{ safe_divide('open_opportunities_at_start * won_amount', 'won_opportunities + lost_opportunities') }}
        as expected_pipeline_value,
    {{ safe_divide(
        safe_divide('open_opportunities_at_start * won_amount', 'won_opportunities + lost_opportunities'),
        'mean_cycle_days',
    ) }} as pipeline_velocity,
    {{ safe_divide('credited_amount', 'revenue_quota_to_date') }} as quota_attainment,
    is_partial_period
from joined
