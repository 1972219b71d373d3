-- Customers of Xero as in their newest invoice or credit note; one row per customer. Documents that name nobody have no customer.
{{ config(materialized='table') }}
with

documents as (
    select
        *,
        min(issued_at) over (partition by customer_id) as first_issued_at,
        row_number() over (
            partition by customer_id order by issued_at desc, document_id desc, document_type desc
        ) as _document
    from {{ ref('stg_xero__lines') }}
    where _line = 1 and customer_id is not null
)

select
    customer_id,
    email_key,
    name_key,
    cast(null as string) as segment,
    country as region,
    country,
    first_issued_at as created_at,
    cast(null as string) as account_owner_id,
    cast(null as timestamp) as updated_at,
    _source_file,
    _row_number,
    _delivered_on
from documents
where _document = 1
