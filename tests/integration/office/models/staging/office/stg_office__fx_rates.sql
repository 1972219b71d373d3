-- Exchange rates into euros; one row per day and currency.
select
    day as rate_date,
    currency as from_currency,
    'EUR' as to_currency,
    rate,
    _source_file,
    _row_number,
    _delivered_on
from ({{ latest_rows('office', 'rates') }}) as latest
