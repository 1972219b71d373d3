-- A failure means that an answer is in no category, or in two.
select
    grain,
    period_start,
    entity_type,
    entity_id
from {{ ref('kpi_nps') }}
where
    period_promoters + period_passives + period_detractors <> period_responses
    or trailing_90d_promoters + trailing_90d_passives + trailing_90d_detractors <> trailing_90d_responses
