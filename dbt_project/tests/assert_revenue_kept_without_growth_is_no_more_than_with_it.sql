-- A failure means that gross revenue retention passes 1 or net revenue retention: growth was counted as kept.
select
    grain,
    period_start,
    entity_type,
    entity_id,
    grr,
    nrr,
    grr_12m,
    nrr_12m
from {{ ref('kpi_retention') }}
where
    kept_at_most_amount > base_amount
    or kept_at_most_amount > kept_amount
    or kept_at_most_amount_12m > base_amount_12m
    or kept_at_most_amount_12m > kept_amount_12m
