-- NPS answers given to Qualtrics, newest version; one row per answer. Previews, tests and spam are left out, and responses that
-- skipped the question. The numbers are those of the same statuses, in exports of numeric values.
{{ config(materialized='table') }}
with

latest as (
    {{ latest_rows('qualtrics', 'responses') }}
)

select
    responseid as response_id,
    cast(null as string) as invitation_id,
    coalesce({{ email_key('recipientemail') }}, externalreference) as customer_id,
    nps as score,
    recordeddate as responded_at,
    _source_file,
    _row_number,
    _delivered_on
from latest
where
    nps is not null
    and lower(status) not in (
        'survey preview', 'survey test', 'spam', 'survey preview spam', 'imported spam', 'offline survey preview',
        '1', '2', '8', '9', '12', '17'
    )
