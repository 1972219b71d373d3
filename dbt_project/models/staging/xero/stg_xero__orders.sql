-- Approved sales invoices of Xero, newest version; one row per invoice, voided ones included. An invoice counts on its date,
-- whether it is paid or not.
select
    document_id as order_id,
    customer_id,
    issued_at as ordered_at,
    status,
    currency_code,
    cast(null as string) as channel,
    country as region,
    cast(null as string) as rep_id,
    cast(null as timestamp) as updated_at,
    false as is_deleted,
    _source_file,
    _row_number,
    _delivered_on
from {{ ref('stg_xero__lines') }}
where document_type = 'sales invoice' and _line = 1
