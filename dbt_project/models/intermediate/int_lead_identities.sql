-- Which lead stands for a person; one row per lead that was not deleted and came in by the as-of date.
-- Two leads with the same e-mail address are one person who asked twice: the first stands for both.
with

leads as (
    select leads.*
    from {{ ref('int_leads') }} as leads
    cross join {{ ref('int_run_parameters') }} as parameters
    where
        not coalesce(leads.is_deleted, false)
        and (leads.created_at is null or {{ business_date('leads.created_at') }} <= parameters.as_of_date)
)

select
    lead_id,
    opportunity_id,
    first_value(lead_id) over (
        partition by coalesce(email_key, lead_id)
        order by created_at nulls last, lead_id
        rows between unbounded preceding and unbounded following
    ) as person_lead_id
from leads
