-- NPS answers from Typeform; one row per submitted response with a score.
-- If a form was opened without its hidden field, the address is xxxxx, and nobody can tell who answered.
with

latest as (
    {{ latest_rows('typeform', 'responses') }}
)

select
    {{ quoted('#') }} as response_id,
    cast(null as string) as invitation_id,
    case when email like '%@%' then {{ email_key('email') }} end as customer_id,
    {{ quoted('How likely are you to recommend us to a friend or colleague?') }} as score,
    {{ quoted('Submit Date (UTC)') }} as responded_at,
    _source_file,
    _row_number,
    _delivered_on
from latest
where
    {{ quoted('Submit Date (UTC)') }} is not null
    and {{ quoted('How likely are you to recommend us to a friend or colleague?') }} is not null
    and coalesce(lower({{ quoted('Response Type') }}), 'completed') = 'completed'
