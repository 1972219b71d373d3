-- A failure means that an answer is in no category, or in two.
select
    period_month,
    entity_type,
    entity_id
from {{ ref('kpi_nps__monthly') }}
where
    month_promoters + month_passives + month_detractors <> month_responses
    or trailing_90d_promoters + trailing_90d_passives + trailing_90d_detractors <> trailing_90d_responses
