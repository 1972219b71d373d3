-- Purchases as orders; one row per purchase, whose place in the file is its only number.
with

purchases as (
    {{ latest_rows('cdnow', 'purchases') }}
)

select
    {{ surrogate_key(['_source_file', '_row_number']) }} as order_id,
    customer_id,
    {{ try_timestamp("cast(date as string)", 'America/New_York') }} as ordered_at,
    cast(null as string) as status,
    'USD' as currency_code,
    cast(null as string) as channel,
    cast(null as string) as region,
    cast(null as string) as rep_id,
    cast(null as timestamp) as updated_at,
    false as is_deleted,
    _source_file,
    _row_number,
    _delivered_on
from purchases
