-- Answers to the NPS survey and the customers who gave them; one row per answer with a score from 0 to 10.
-- An answer without a customer belongs to the customer of the invitation; if that is unknown, each answer counts as a new person.
-- An answer counts in its customer's segment and region, or where these are unknown, in those that it names itself.
with

responses as (
    select
        *,
        {{ business_date('responded_at') }} as responded_on
    from {{ ref('int_nps_responses') }}
),

invitations as (
    select * from {{ ref('int_nps_invitations') }}
),

identities as (
    select * from {{ ref('int_customer_identities') }}
),

customers as (
    select * from {{ ref('dim_customer') }}
),

parameters as (
    select * from {{ ref('int_run_parameters') }}
),

answered as (
    select
        responses.*,
        coalesce(responses.customer_id, invitations.customer_id) as answered_by,
        invitations.channel
    from responses
    cross join parameters
    left join invitations
        on responses.invitation_id = invitations.invitation_id
    where
        responses.score between 0 and 10
        and responses.responded_on <= parameters.as_of_date
),

known as (
    select
        answered.*,
        coalesce(identities.person_id, answered.answered_by) as person_id,
        coalesce(identities.person_id, answered.answered_by, concat('answer ', answered.response_id)) as respondent_key
    from answered
    left join identities
        on answered.answered_by = identities.customer_id
)

select
    known.response_id,
    known.invitation_id,
    known.person_id as customer_id,
    known.respondent_key,
    known.score,
    case
        when known.score >= 9 then 'promoter'
        when known.score >= 7 then 'passive'
        else 'detractor'
    end as category,
    known.responded_at,
    known.responded_on,
    coalesce(known.channel, 'unassigned') as channel,
    coalesce(customers.segment, known.segment, 'unassigned') as segment,
    coalesce(customers.region, known.region, 'unassigned') as region,
    row_number() over (
        partition by known.respondent_key order by known.responded_at, known.response_id
    ) = 1 as is_first_response,
    row_number() over (
        partition by known.respondent_key order by known.responded_at desc, known.response_id desc
    ) = 1 as is_latest_response,
    known._source_file,
    known._row_number
from known
left join customers
    on known.person_id = customers.customer_id
