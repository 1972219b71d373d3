-- Charges of Stripe that have collected money or are about to, newest version; one row per charge, tests included.
-- Failed and cancelled charges are not orders, nor are attempts to pay and amounts that were authorised but not captured.
with

latest as (
    {{ latest_rows('stripe', 'payments') }}
)

select
    id as order_id,
    coalesce({{ quoted('Customer ID') }}, 'stripe:' || {{ email_key(quoted('Customer Email')) }}) as customer_id,
    coalesce({{ quoted('Created date (UTC)') }}, {{ quoted('Created (UTC)') }}, created) as ordered_at,
    lower(status) as status,
    upper(currency) as currency_code,
    cast(null as string) as channel,
    cast(null as string) as region,
    cast(null as string) as rep_id,
    cast(null as timestamp) as updated_at,
    coalesce(lower(mode) = 'test', false) as is_deleted,
    amount as total_amount,
    _source_file,
    _row_number,
    _delivered_on
from latest
where
    lower(status) not in ('failed', 'canceled', 'cancelled', 'blocked', 'incomplete', 'uncaptured')
    and lower(status) not like 'requires%'
    and coalesce(captured, true)
