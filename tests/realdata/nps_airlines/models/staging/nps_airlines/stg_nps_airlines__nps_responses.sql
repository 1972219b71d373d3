-- Answers of passengers; one row per passenger and airline.
with

answers as (
    {{ latest_rows('nps_airlines', 'answers') }}
)

select
    concat(airline, ' ', customerid) as response_id,
    cast(null as string) as invitation_id,
    concat(airline, ' ', customerid) as customer_id,
    "How likely are you to recommend this airline?" as score,
    cast(_delivered_on as timestamp) as responded_at,
    _source_file,
    _row_number,
    _delivered_on
from answers
