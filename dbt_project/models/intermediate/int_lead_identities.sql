-- The lead that stands for a person; one row per lead that was not deleted and arrived by the as-of date.
-- Two leads with the same e-mail address are one person who inquired twice: the first lead stands for both.
with

leads as (
    select leads.*
    from {{ ref('int_leads') }} as leads
    cross join {{ ref('int_run_parameters') }} as parameters
    where
        not coalesce(leads.is_deleted, false)
        and not coalesce({{ is_after_day('leads.created_at', 'parameters.as_of_date') }}, false)
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
