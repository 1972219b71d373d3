-- Customers as they are now; one row per customer.
select
    customer_id,
    email_key,
    segment,
    region,
    country,
    account_owner_id,
    {{ business_date('created_at') }} as created_on,
    _source_file,
    _row_number
from {{ ref('int_customers') }}
