-- Which lead stands for a person; one row per lead that was not deleted.
-- Two leads with the same e-mail address are one person who asked twice: the first stands for both.
with

leads as (
    select * from {{ ref('int_leads') }}
)

select
    lead_id,
    opportunity_id,
    first_value(lead_id) over (
        partition by coalesce(email_key, lead_id)
        order by created_at, lead_id
        rows between unbounded preceding and unbounded following
    ) as person_lead_id
from leads
where not coalesce(is_deleted, false)
