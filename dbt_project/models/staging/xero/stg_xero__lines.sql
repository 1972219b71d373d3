-- Lines of the newest versions of invoices and credit notes, with the columns of their document; one row per line.
-- A document may be entered with or without tax in its amounts. The export does not say so, but the total does: with tax in them,
-- the lines add up to it without their taxes.
{{ config(materialized='table') }}
with

delivered as (
    select
        *,
        lower(type) as document_type,
        row_number() over (partition by lower(type), invoicenumber, _delivered_on, _source_file order by _row_number) as _line,
        dense_rank() over (partition by lower(type), invoicenumber order by _delivered_on desc, _source_file desc) as _version,
        sum(lineamount) over (partition by lower(type), invoicenumber, _delivered_on, _source_file) as lines_amount,
        sum(taxamount) over (partition by lower(type), invoicenumber, _delivered_on, _source_file) as lines_tax_amount
    from {{ ref('base_xero__invoices') }}
    where _reject_reason is null
),

taxed as (
    select
        *,
        coalesce(abs(lines_amount - total) < abs(lines_amount + lines_tax_amount - total), false) as amounts_include_tax
    from delivered
    where _version = 1 and document_type in ('sales invoice', 'sales credit note')
)

select
    document_type,
    invoicenumber as document_id,
    -- Names of contacts are unique in Xero.
    'xero:' || coalesce(md5(lower(contactname)), {{ email_key('emailaddress') }}) as customer_id,
    {{ email_key('emailaddress') }} as email_key,
    md5(lower(contactname)) as name_key,
    pocountry as country,
    {{ try_timestamp('cast(invoicedate as string)', var('time_zone')) }} as issued_at,
    case when lower(status) in ('voided', 'deleted') then 'cancelled' else lower(status) end as status,
    upper(currency) as currency_code,
    inventoryitemcode as product_id,
    quantity,
    unitamount as unit_amount,
    lineamount as line_amount,
    cast(lineamount - case when amounts_include_tax then coalesce(taxamount, 0) else 0 end as decimal(18, 2)) as net_amount,
    taxamount as tax_amount,
    amounts_include_tax,
    _line,
    _source_file,
    _row_number,
    _delivered_on
from taxed
-- What is not approved yet may still change or be thrown away.
where lower(status) not in ('draft', 'awaiting approval', 'submitted')
