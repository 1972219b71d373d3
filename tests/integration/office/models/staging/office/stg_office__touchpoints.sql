-- Meetings of a customer with a campaign; one row per touch.
select
    touch_id as touchpoint_id,
    cast(null as string) as lead_id,
    customer as customer_id,
    cast(null as string) as campaign_id,
    channel,
    touched_at,
    _source_file,
    _row_number,
    _delivered_on
from ({{ latest_rows('office', 'touches') }}) as latest
