-- Ad campaigns, newest version; one row per campaign.
with

latest as (
    {{ latest_rows('ads', 'campaigns') }}
)

select
    campaign_id,
    channel,
    platform,
    name,
    coalesce(is_paid, false) as is_paid,
    _source_file,
    _row_number,
    _delivered_on
from latest
