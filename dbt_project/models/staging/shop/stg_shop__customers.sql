-- Customers of the shop, newest version; one row per customer.
with

latest as (
    {{ latest_rows('shop', 'customers') }}
)

select
    customer_id,
    {{ email_key('email') }} as email_key,
    md5(lower(full_name)) as name_key,
    {{ clean_label('segment') }} as segment,
    {{ clean_label('region') }} as region,
    country,
    created_at,
    cast(null as string) as account_owner_id,
    updated_at,
    _source_file,
    _row_number,
    _delivered_on
from latest
