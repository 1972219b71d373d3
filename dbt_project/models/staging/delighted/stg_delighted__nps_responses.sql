-- NPS answers given to Delighted, newest version; one row per answer. Answers to its other surveys are left out.
{{ config(materialized='table') }}
with

latest as (
    {{ latest_rows('delighted', 'survey_responses') }}
),

people as (
    {{ latest_rows('delighted', 'people') }}
)

select
    latest.id as response_id,
    cast(null as string) as invitation_id,
    coalesce({{ email_key('people.email') }}, 'delighted-person-' || latest.person) as customer_id,
    latest.score,
    cast('1970-01-01 00:00:00' as timestamp) + latest.created_at * interval '1' second as responded_at,
    latest._source_file,
    latest._row_number,
    latest._delivered_on
from latest
left join people
    on latest.person = people.id
where latest.survey_type = 'nps'
