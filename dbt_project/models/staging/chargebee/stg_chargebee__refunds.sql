-- Credit notes of Chargebee without tax, newest version; one row per credit note. Voided and deleted ones are left out.
-- A credit note lists its taxes by line only. The share without tax is that of its invoice: a full credit leaves nothing.
with

latest as (
    {{ latest_rows('chargebee', 'credit_notes') }}
),

invoices as (
    {{ latest_rows('chargebee', 'invoices') }}
),

without_tax as (
    select
        latest.*,
        case
            when invoices.total > 0
                then round({{ safe_divide('cast(latest.total as double) * (invoices.total - invoices.tax)', 'invoices.total') }})
            else latest.total
        end as net_total
    from latest
    left join invoices
        on latest.reference_invoice_id = invoices.id
)

select
    id as refund_id,
    reference_invoice_id as order_id,
    cast(null as string) as order_item_id,
    cast('1970-01-01 00:00:00' as timestamp) + date * interval '1' second as refunded_at,
    {{ major_units('net_total', 'currency_code') }} as amount,
    upper(currency_code) as currency_code,
    coalesce(create_reason_code, reason_code) as reason,
    customer_id,
    _source_file,
    _row_number,
    _delivered_on
from without_tax
where lower(status) <> 'voided' and not coalesce(deleted, false)
