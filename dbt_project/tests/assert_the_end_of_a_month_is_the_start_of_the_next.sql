-- A failure means that customers appear or vanish between two months, or that a month's movements do not explain its end.
with

months as (
    select
        *,
        lag(customers_at_end) over (partition by entity_type, entity_id order by period_month) as customers_at_end_before
    from {{ ref('kpi_retention__monthly') }}
)

select
    period_month,
    entity_type,
    entity_id
from months
where
    customers_at_start <> coalesce(customers_at_end_before, 0)
    or customers_at_start + new_customers + reactivated_customers - churned_customers <> customers_at_end
