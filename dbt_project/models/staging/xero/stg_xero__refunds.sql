-- Lines of Xero's credit notes without tax, newest version; one row per line. Voided credit notes are left out.
-- The export does not say which invoice a credit note is for, so it counts for its customer, on its own date. Its amounts may
-- have either sign: what counts is the sign of a line compared with that of the whole.
{{ config(materialized='table') }}
with

lines as (
    select
        *,
        sum(net_amount) over (partition by document_id) as document_amount
    from {{ ref('stg_xero__lines') }}
    where document_type = 'sales credit note' and status <> 'cancelled'
)

select
    document_id || '/' || _line as refund_id,
    cast(null as string) as order_id,
    cast(null as string) as order_item_id,
    issued_at as refunded_at,
    case when document_amount < 0 then -net_amount else net_amount end as amount,
    currency_code,
    cast(null as string) as reason,
    customer_id,
    country as region,
    _source_file,
    _row_number,
    _delivered_on
from lines
where net_amount is not null
