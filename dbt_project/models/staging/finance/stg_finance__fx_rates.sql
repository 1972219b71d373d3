-- Reference exchange rates; one row per day and currency pair.
with

latest as (
    {{ latest_rows('finance', 'fx_rates') }}
)

select
    rate_date,
    upper(from_currency) as from_currency,
    upper(to_currency) as to_currency,
    rate,
    _source_file,
    _row_number,
    _delivered_on
from latest
