-- Net promoter score and who answered; one row per month and company, segment, region or channel (of the survey).
-- NPS = 100 × (promoters − detractors) / customers who answered, each with the latest answer in the window: the calendar month,
-- or the 90 days before the month's end. The response rate is based on the invitations sent in the month.
{% set cuts = {'company': "'company'", 'segment': 'segment', 'region': 'region', 'channel': 'channel'} %}
{% set windows = ['month', 'trailing_90d'] %}
with

responses as (
    select * from {{ ref('fct_nps_responses') }}
),

months as (
    select distinct
        month_start,
        next_month_start
    from {{ ref('int_days') }}
),

invitations as (
    select
        invitations.invitation_id,
        {{ period_start('month', business_date('invitations.sent_at')) }} as period_month,
        coalesce(invitations.channel, 'unassigned') as channel,
        coalesce(customers.segment, 'unassigned') as segment,
        coalesce(customers.region, 'unassigned') as region,
        answers.invitation_id is not null as is_answered
    from {{ ref('int_nps_invitations') }} as invitations
    cross join {{ ref('int_run_parameters') }} as parameters
    left join {{ ref('int_customer_identities') }} as identities
        on invitations.customer_id = identities.customer_id
    left join {{ ref('dim_customer') }} as customers
        on coalesce(identities.person_id, invitations.customer_id) = customers.customer_id
    left join (
        select distinct invitation_id from responses
    ) as answers
        on invitations.invitation_id = answers.invitation_id
    where {{ business_date('invitations.sent_at') }} <= parameters.as_of_date
),

-- An answer counts in its own month, and in every 90-day window up to a month's end that contains it.
in_windows as (
    select
        months.month_start as period_month,
        'month' as answered_within,
        responses.*
    from responses
    inner join months
        on
            responses.responded_on >= months.month_start
            and responses.responded_on < months.next_month_start
    union all
    select
        months.month_start as period_month,
        'trailing_90d' as answered_within,
        responses.*
    from responses
    inner join months
        on
            responses.responded_on >= {{ add_period('months.next_month_start', 'day', -90) }}
            and responses.responded_on < months.next_month_start
),

ranked as (
    select
        *,
        row_number() over (
            partition by period_month, answered_within, respondent_key
            order by responded_at desc, response_id desc
        ) as recency
    from in_windows
),

scores as (
    {%- for entity_type, entity_id in cuts.items() %}
    select
        period_month,
        '{{ entity_type }}' as entity_type,
        {{ entity_id }} as entity_id,
        sum(case when answered_within = 'month' then 1 else 0 end) as month_responses,
        sum(case when answered_within = 'month' and category = 'promoter' then 1 else 0 end) as month_promoters,
        sum(case when answered_within = 'month' and category = 'passive' then 1 else 0 end) as month_passives,
        sum(case when answered_within = 'month' and category = 'detractor' then 1 else 0 end) as month_detractors,
        sum(case when answered_within = 'trailing_90d' then 1 else 0 end) as trailing_90d_responses,
        sum(case when answered_within = 'trailing_90d' and category = 'promoter' then 1 else 0 end) as trailing_90d_promoters,
        sum(case when answered_within = 'trailing_90d' and category = 'passive' then 1 else 0 end) as trailing_90d_passives,
        sum(case when answered_within = 'trailing_90d' and category = 'detractor' then 1 else 0 end) as trailing_90d_detractors
    from ranked
    where recency = 1
    group by 1, 2, 3
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

asked as (
    {%- for entity_type, entity_id in cuts.items() %}
    select
        period_month,
        '{{ entity_type }}' as entity_type,
        {{ entity_id }} as entity_id,
        count(*) as invitations,
        sum(case when is_answered then 1 else 0 end) as answered_invitations
    from invitations
    group by 1, 2, 3
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

active_months as (
    select period_month, entity_type, entity_id from scores
    union
    select period_month, entity_type, entity_id from asked
),

spine as (
    {{ entity_months('active_months') }}
),

joined as (
    select
        spine.period_month,
        spine.entity_type,
        spine.entity_id,
        spine.is_partial_period,
        {%- for window in windows %}
        {%- for column in ['responses', 'promoters', 'passives', 'detractors'] %}
        coalesce(scores.{{ window }}_{{ column }}, 0) as {{ window }}_{{ column }},
        {%- endfor %}
        {%- endfor %}
        coalesce(asked.invitations, 0) as invitations,
        coalesce(asked.answered_invitations, 0) as answered_invitations
    from spine
    left join scores using (period_month, entity_type, entity_id)
    left join asked using (period_month, entity_type, entity_id)
)

select
    period_month,
    entity_type,
    entity_id,
    {%- for window in windows %}
    {%- set promoters, detractors, responses = window ~ '_promoters', window ~ '_detractors', window ~ '_responses' %}
    {%- for column in ['responses', 'promoters', 'passives', 'detractors'] %}
    cast({{ window }}_{{ column }} as bigint) as {{ window }}_{{ column }},
    {%- endfor %}
    {{ safe_divide('100 * (' ~ promoters ~ ' - ' ~ detractors ~ ')', responses) }} as {{ window }}_nps,
    {{ nps_bound(promoters, detractors, responses, '-') }} as {{ window }}_nps_low,
    {{ nps_bound(promoters, detractors, responses, '+') }} as {{ window }}_nps_high,
    {%- endfor %}
    cast(invitations as bigint) as invitations,
    cast(answered_invitations as bigint) as answered_invitations,
    {{ safe_divide('answered_invitations', 'invitations') }} as response_rate,
    is_partial_period
from joined
