-- Lines of Xero's invoices, newest version; one row per line, amounts in the invoice's currency, excluding tax.
-- Lines that hold only a text are left out. A line with a negative amount is a discount.
{{ config(materialized='table') }}
with

lines as (
    select
        *,
        {{ whole_units('quantity') }} as units,
        cast(round({{ safe_divide('cast(quantity * unit_amount as double) * net_amount', 'line_amount') }}, 2) as decimal(18, 2))
            as list_amount
    from {{ ref('stg_xero__lines') }}
    where document_type = 'sales invoice' and net_amount is not null
),

priced as (
    select
        *,
        {{ unit_price_of('greatest(coalesce(list_amount, net_amount), net_amount, 0)', 'units') }} as unit_price
    from lines
)

select
    document_id || '/' || _line as order_item_id,
    document_id as order_id,
    product_id,
    units as quantity,
    unit_price,
    {{ discount_of('units', 'unit_price', 'net_amount') }} as discount_amount,
    tax_amount,
    cast(null as decimal(18, 6)) as unit_cost,
    _source_file,
    _row_number,
    _delivered_on
from priced
