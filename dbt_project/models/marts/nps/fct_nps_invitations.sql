-- Invitations to the NPS survey, whether they were answered, and the customers who got them; one row per invitation.
-- An invitation is answered if an answer with a score from 0 to 10 refers to it.
select
    invitations.invitation_id,
    {{ business_date('invitations.sent_at') }} as sent_on,
    invitations.channel,
    customers.segment,
    customers.region,
    answers.invitation_id is not null as is_answered,
    invitations._source_file,
    invitations._row_number
from {{ ref('int_nps_invitations') }} as invitations
left join {{ ref('int_customer_identities') }} as identities
    on invitations.customer_id = identities.customer_id
left join {{ ref('dim_customer') }} as customers
    on coalesce(identities.person_id, invitations.customer_id) = customers.customer_id
left join (
    select distinct invitation_id from {{ ref('fct_nps_responses') }}
) as answers
    on invitations.invitation_id = answers.invitation_id
