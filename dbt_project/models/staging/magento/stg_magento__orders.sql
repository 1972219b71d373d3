-- Orders of Magento, newest version; one row per order, cancelled ones included.
-- An order that waits for the payment service is a checkout that was not finished.
with

latest as (
    {{ latest_rows('magento', 'orders') }}
)

select
    entity_id as order_id,
    'magento:' || coalesce(
        {{ email_key('customer_email') }},
        md5(nullif(lower(trim(concat_ws(' ', customer_firstname, customer_lastname))), ''))
    ) as customer_id,
    created_at as ordered_at,
    lower(state) as status,
    upper(order_currency_code) as currency_code,
    cast(null as string) as channel,
    upper(country_id) as region,
    cast(null as string) as rep_id,
    updated_at,
    false as is_deleted,
    _source_file,
    _row_number,
    _delivered_on
from latest
where lower(state) <> 'pending_payment'
