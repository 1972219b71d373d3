-- Order lines of Shopify, newest export; one row per line that is a product, amounts in the order's currency, excluding tax.
-- The subtotal of an order is the price of its lines after discounts. If the list prices add up to more, the difference is
-- discount: each line's own discount comes first, and the rest is split in proportion to the prices of the lines. The parts are
-- differences of rounded running sums, so that the cents add up.
{{ config(materialized='table') }}
with

delivered_lines as (
    select
        order_id,
        coalesce({{ quoted('Lineitem sku') }}, {{ quoted('Lineitem name') }}) as product_id,
        {{ quoted('Lineitem quantity') }} as quantity,
        {{ quoted('Lineitem price') }} as unit_price,
        coalesce({{ quoted('Lineitem discount') }}, 0) as line_discount,
        coalesce({{ quoted('Lineitem taxable') }}, true) as is_taxable,
        _reject_reason,
        _source_file,
        _row_number,
        _delivered_on,
        _line
    from {{ ref('stg_shopify__order_lines') }}
    where line_kind = 'product'
),

orders as (
    select * from {{ ref('stg_shopify__order_versions') }}
    where _version = 1
),

lines as (
    select
        orders.order_id,
        orders.prices_include_tax,
        orders.subtotal_amount,
        orders.product_tax_amount,
        delivered_lines._line,
        delivered_lines.product_id,
        delivered_lines.quantity,
        delivered_lines.unit_price,
        cast(delivered_lines.quantity * delivered_lines.unit_price as decimal(18, 2)) as gross_amount,
        cast(delivered_lines.line_discount as decimal(18, 2)) as line_discount_amount,
        case when delivered_lines.is_taxable then 1 else 0 end as is_taxable,
        delivered_lines._source_file,
        delivered_lines._row_number,
        delivered_lines._delivered_on
    from delivered_lines
    inner join orders
        on
            delivered_lines.order_id = orders.order_id
            and delivered_lines._delivered_on = orders._delivered_on
            and delivered_lines._source_file = orders._source_file
    where delivered_lines._reject_reason is null
),

order_totals as (
    select
        order_id,
        greatest(sum(gross_amount) - max(subtotal_amount), 0) as discount_amount,
        sum(line_discount_amount) as line_discount_amount,
        max(is_taxable) as has_taxable
    from lines
    group by 1
),

weighted as (
    select
        lines.*,
        order_totals.has_taxable,
        case when order_totals.line_discount_amount <= order_totals.discount_amount then lines.line_discount_amount else 0 end
            as own_discount_amount,
        order_totals.discount_amount as order_discount_amount
    from lines
    inner join order_totals
        on lines.order_id = order_totals.order_id
),

running as (
    select
        *,
        order_discount_amount - sum(own_discount_amount) over (partition by order_id) as shared_discount_amount,
        cast(100 * (gross_amount - own_discount_amount) as bigint) as weight,
        cast(100 * sum(gross_amount - own_discount_amount) over (partition by order_id order by _line) as bigint)
            as weight_to_date,
        cast(100 * sum(gross_amount - own_discount_amount) over (partition by order_id) as bigint) as order_weight
    from weighted
),

discounted as (
    select
        *,
        own_discount_amount
        + case
            when order_weight > 0
                then
                    {{ share_to_date('shared_discount_amount', 'weight_to_date', 'order_weight') }}
                    - {{ share_to_date('shared_discount_amount', '(weight_to_date - weight)', 'order_weight') }}
            else 0
        end as discount_amount
    from running
),

taxable as (
    select
        *,
        gross_amount - discount_amount as net_amount,
        case when is_taxable = has_taxable then cast(100 * (gross_amount - discount_amount) as bigint) else 0 end as tax_weight
    from discounted
),

running_taxable as (
    select
        *,
        sum(tax_weight) over (partition by order_id order by _line) as tax_weight_to_date,
        sum(tax_weight) over (partition by order_id) as order_tax_weight
    from taxable
),

taxed as (
    select
        *,
        case
            when order_tax_weight > 0
                then
                    {{ share_to_date('product_tax_amount', 'tax_weight_to_date', 'order_tax_weight') }}
                    - {{ share_to_date('product_tax_amount', '(tax_weight_to_date - tax_weight)', 'order_tax_weight') }}
            else 0
        end as tax_amount
    from running_taxable
),

with_share_without_tax as (
    select
        *,
        case
            when prices_include_tax and net_amount > 0 then {{ safe_divide('(net_amount - tax_amount)', 'net_amount') }}
        end as share_without_tax
    from taxed
),

priced as (
    select
        *,
        case
            -- Rounded up, so that the discount cannot become negative.
            when share_without_tax is not null
                then cast(ceil(round(10000 * unit_price * share_without_tax, 4)) / 10000 as decimal(18, 6))
            else unit_price
        end as price_without_tax
    from with_share_without_tax
)

select
    order_id || '/' || _line as order_item_id,
    order_id,
    product_id,
    quantity,
    price_without_tax as unit_price,
    case
        when prices_include_tax
            then cast(round(quantity * price_without_tax, 2) as decimal(18, 2)) - (net_amount - tax_amount)
        else discount_amount
    end as discount_amount,
    tax_amount,
    cast(null as decimal(18, 6)) as unit_cost,
    _source_file,
    _row_number,
    _delivered_on
from priced
