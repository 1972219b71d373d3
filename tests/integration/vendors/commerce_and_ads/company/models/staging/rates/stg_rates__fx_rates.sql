-- Exchange rates; one row per day and currency pair.
with

rates as (
    {{ latest_rows('rates', 'rates') }}
)

select
    rate_date,
    from_currency,
    to_currency,
    rate,
    _source_file,
    _row_number,
    _delivered_on
from rates
