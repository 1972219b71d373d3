-- A failure means that teams, reps, channels, segments or regions hold more or less than the company: a join lost rows, or
-- doubled them.
with

scorecard as (
    select * from {{ ref('kpi_scorecard__monthly') }}
    where
        kpi_id = 'revenue'
        and variant in ('net', 'gross', 'discounts', 'refunds', 'orders', 'new_customer_net', 'repeat_net', 'bookings')
        and status <> 'no_source'
),

cuts as (
    select
        period_month,
        variant,
        entity_type,
        sum(value) as cut_value
    from scorecard
    where entity_type <> 'company'
    group by 1, 2, 3
)

select
    cuts.period_month,
    cuts.variant,
    cuts.entity_type,
    cuts.cut_value,
    company.value as company_value
from cuts
left join scorecard as company
    on
        cuts.period_month = company.period_month
        and cuts.variant = company.variant
        and company.entity_type = 'company'
where cuts.cut_value <> coalesce(company.value, 0)
