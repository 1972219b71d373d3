-- NPS answers; one row per answer.
with

latest as (
    {{ latest_rows('survey', 'responses') }}
)

select
    response_id,
    invitation_id,
    customer_id,
    score,
    responded_at,
    _source_file,
    _row_number,
    _delivered_on
from latest
