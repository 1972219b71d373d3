-- A failure means that customers or revenue appear or vanish between two periods, or that a period's movements do not explain its
-- end.
with

periods as (
    select
        *,
        lag(customers_at_end) over (partition by grain, entity_type, entity_id order by period_start) as customers_at_end_before,
        lag(end_amount) over (partition by grain, entity_type, entity_id order by period_start) as end_amount_before,
        grain in ({{ text_list(grains()) }}) as follows_another
    from {{ ref('kpi_retention') }}
)

select
    grain,
    period_start,
    entity_type,
    entity_id
from periods
where
    (follows_another and customers_at_start <> coalesce(customers_at_end_before, 0))
    or customers_at_start + new_customers + reactivated_customers - churned_customers <> customers_at_end
    -- A period in progress begins with only as much of the one before as it is compared with.
    or (follows_another and not is_partial_period and start_amount <> coalesce(end_amount_before, 0))
    or start_amount + new_amount + reactivated_amount + expansion_amount + contraction_amount + churned_amount
    + refund_change_amount <> end_amount
    or base_amount + expansion_amount + contraction_amount + churned_amount <> kept_amount
    or base_amount + contraction_amount + churned_amount <> kept_at_most_amount
