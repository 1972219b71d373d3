-- Net promoter score and who answered; one row per grain, period and company, segment, region or channel (of the survey).
-- NPS = 100 × (promoters − detractors) / customers who answered, each with the latest answer in the window: the period, or the
-- 90 days before its end, which is the as-of date while it is in progress. The response rate is based on the invitations sent
-- in the period.
{% set cuts = {'segment': 'segment', 'region': 'region', 'channel': 'channel'} %}
{% set windows = ['period', 'trailing_90d'] %}
{% set counts = ['responses', 'promoters', 'passives', 'detractors'] %}
-- The linter misjudges the layout of macros within a call.
-- noqa: disable=LT02
with

responses as (
    select
        *,
        lead(responded_on) over (partition by respondent_key order by responded_at, response_id) as next_responded_on
    from {{ ref('fct_nps_responses') }}
),

invitations as (
    select * from {{ ref('fct_nps_invitations') }}
),

window_bounds as (
    select
        grain,
        period_start,
        counted_until,
        'period' as answered_within,
        period_start as window_start
    from {{ ref('int_periods') }}
    union all
    select
        grain,
        period_start,
        counted_until,
        'trailing_90d' as answered_within,
        {{ add_period('counted_until', 'day', -90) }} as window_start
    from {{ ref('int_periods') }}
),

-- An answer is its customer's latest in a window if the customer's next one, if any, comes after the window.
latest_answers as (
    select
        window_bounds.grain,
        window_bounds.period_start,
        window_bounds.answered_within,
        responses.category,
        responses.segment,
        responses.region,
        responses.channel
    from responses
    inner join window_bounds
        on
            responses.responded_on >= window_bounds.window_start
            and responses.responded_on < window_bounds.counted_until
            and coalesce(responses.next_responded_on >= window_bounds.counted_until, true)
),

scores as (
    {% call by_cuts('latest_answers', ['grain', 'period_start'], cuts) %}
    {%- for window in windows %}
        sum(case when answered_within = '{{ window }}' then 1 else 0 end) as {{ window }}_responses,
        sum(case when answered_within = '{{ window }}' and category = 'promoter' then 1 else 0 end) as {{ window }}_promoters,
        sum(case when answered_within = '{{ window }}' and category = 'passive' then 1 else 0 end) as {{ window }}_passives,
        sum(case when answered_within = '{{ window }}' and category = 'detractor' then 1 else 0 end) as {{ window }}_detractors,
    {%- endfor %}
        count(*) as all_responses
    {% endcall %}
),

asked_per_day as (
    {% call by_cuts('invitations', ['sent_on'], cuts) %}
        {{ part_columns('kpi_nps', {'invitations': 'sent_on is not null'}) }}
    {% endcall %}
),

asked as (
    {{ sums_in_periods('asked_per_day', 'sent_on', ['invitations', 'answered_invitations']) }}
),

active_periods as (
    select grain, period_start, entity_type, entity_id from scores
    union
    select grain, period_start, entity_type, entity_id from asked
),

spine as (
    {{ entity_periods('active_periods') }}
),

joined as (
    select
        spine.grain,
        spine.period_start,
        spine.entity_type,
        spine.entity_id,
        spine.is_partial_period,
        {%- for window in windows %}
        {%- for column in counts %}
        coalesce(scores.{{ window }}_{{ column }}, 0) as {{ window }}_{{ column }},
        {%- endfor %}
        {%- endfor %}
        coalesce(asked.invitations, 0) as invitations,
        coalesce(asked.answered_invitations, 0) as answered_invitations
    from spine
    left join scores using (grain, period_start, entity_type, entity_id)
    left join asked using (grain, period_start, entity_type, entity_id)
)

select
    grain,
    period_start,
    entity_type,
    entity_id,
    {%- for window in windows %}
    {%- set promoters, detractors, responses = window ~ '_promoters', window ~ '_detractors', window ~ '_responses' %}
    {%- for column in counts %}
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
