-- A failure means that gross revenue retention passes 1 or net revenue retention: growth was counted as kept.
select
    period_month,
    entity_type,
    entity_id,
    grr,
    nrr
from {{ ref('kpi_retention__monthly') }}
where
    kept_at_most_amount > base_amount
    or kept_at_most_amount > kept_amount
