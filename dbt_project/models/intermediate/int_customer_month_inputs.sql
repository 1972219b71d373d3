-- What customers' months are computed from; one row per month, part and day on which something happened.
{{ config(materialized='view') }}
select
    period_start as period_month,
    part,
    first_day,
    counted_until,
    is_partial_period,
    date_day,
    fingerprint,
    is_in_calendar
from {{ ref('int_customer_period_inputs') }}
where grain = 'month'
