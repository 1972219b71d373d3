-- A failure means that teams, reps, channels, segments, regions or categories hold more or less than the company: a join lost
-- rows, or doubled them. An order with several categories counts for each, so orders of categories do not add up.
with

scorecard as (
    select * from {{ ref('kpi_scorecard') }}
    where
        kpi_id = 'revenue'
        and variant in ('net', 'gross', 'discounts', 'refunds', 'orders', 'new_customer_net', 'repeat_net', 'bookings')
        and not (variant = 'orders' and entity_type = 'category')
        and status <> 'no_source'
),

cuts as (
    select
        grain,
        period_start,
        variant,
        entity_type,
        sum(value) as cut_value
    from scorecard
    where entity_type <> 'company'
    group by 1, 2, 3, 4
)

select
    cuts.grain,
    cuts.period_start,
    cuts.variant,
    cuts.entity_type,
    cuts.cut_value,
    company.value as company_value
from cuts
left join scorecard as company
    on
        cuts.grain = company.grain
        and cuts.period_start = company.period_start
        and cuts.variant = company.variant
        and company.entity_type = 'company'
where cuts.cut_value <> coalesce(company.value, 0)
