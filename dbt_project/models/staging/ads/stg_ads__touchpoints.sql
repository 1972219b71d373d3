-- Contacts of a lead or customer with a campaign; one row per touch.
with

latest as (
    {{ latest_rows('ads', 'touchpoints') }}
)

select
    touchpoint_id,
    lead_id,
    customer_id,
    campaign_id,
    {{ clean_label('channel') }} as channel,
    touched_at,
    _source_file,
    _row_number,
    _delivered_on
from latest
