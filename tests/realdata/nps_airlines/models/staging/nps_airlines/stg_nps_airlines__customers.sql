-- Passengers, with the airline they were asked about as their segment; one row per passenger and airline.
with

answers as (
    {{ latest_rows('nps_airlines', 'answers') }}
)

select
    concat(airline, ' ', customerid) as customer_id,
    cast(null as string) as email_key,
    cast(null as string) as name_key,
    airline as segment,
    cast(null as string) as region,
    cast(null as string) as country,
    cast(null as timestamp) as created_at,
    cast(null as string) as account_owner_id,
    cast(null as timestamp) as updated_at,
    _source_file,
    _row_number,
    _delivered_on
from answers
