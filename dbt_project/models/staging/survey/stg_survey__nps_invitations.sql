-- NPS invitations; one row per invitation.
with

latest as (
    {{ latest_rows('survey', 'invitations') }}
)

select
    invitation_id,
    customer_id,
    sent_at,
    {{ clean_label('channel') }} as channel,
    _source_file,
    _row_number,
    _delivered_on
from latest
