-- The order as in each export; one row per order and file that contains it.
-- The columns of an order are on its first line in the file. If this line cannot be read, the file does not contain the order,
-- and the previous version remains.
{{ config(materialized='table') }}
with

lines as (
    select
        *,
        cast(
            {{ quoted('Lineitem quantity') }} * {{ quoted('Lineitem price') }} - coalesce({{ quoted('Lineitem discount') }}, 0)
            as decimal(18, 2)
        ) as line_amount
    from {{ ref('stg_shopify__order_lines') }}
),

delivered_lines as (
    select
        order_id,
        {{ email_key('email') }} as email_key,
        md5(lower({{ quoted('Billing Name') }})) as name_key,
        {{ quoted('Billing Country') }} as billing_country,
        {{ quoted('Shipping Country') }} as shipping_country,
        {{ quoted('Created at') }} as ordered_at,
        {{ quoted('Cancelled at') }} as cancelled_at,
        lower({{ quoted('Financial Status') }}) as financial_status,
        {{ quoted('Payment Method') }} as payment_method,
        {{ quoted('Refunded Amount') }} as refunded_amount,
        source,
        currency,
        subtotal,
        coalesce(shipping, 0) as shipping,
        coalesce(taxes, 0) as taxes,
        total,
        coalesce(duties, 0) as duties,
        sum(case when line_kind = 'tip' then line_amount else 0 end) over (
            partition by order_id, _delivered_on, _source_file
        ) as tips,
        sum(case when line_kind = 'gift_card' then line_amount else 0 end) over (
            partition by order_id, _delivered_on, _source_file
        ) as gift_cards,
        max(case when line_kind = 'product' then 1 else 0 end) over (
            partition by order_id, _delivered_on, _source_file
        ) = 1 as has_products,
        _reject_reason,
        _source_file,
        _row_number,
        _delivered_on,
        _line
    from lines
),

first_lines as (
    select
        *,
        subtotal + shipping + tips + duties as total_without_taxes,
        cast(greatest(subtotal - gift_cards, 0) as decimal(18, 2)) as product_subtotal
    from delivered_lines
    where _line = 1 and _reject_reason is null and ordered_at is not null and subtotal is not null
),

taxed as (
    select
        *,
        cast(
            round(case when product_subtotal > 0 then taxes * product_subtotal / (product_subtotal + shipping) else 0 end, 2)
            as decimal(18, 2)
        ) as product_tax_amount,
        -- The export does not say so, but only if prices include tax does the total match without adding the taxes.
        coalesce(
            taxes > 0 and abs(total - total_without_taxes) < abs(total - total_without_taxes - taxes), false
        ) as prices_include_tax
    from first_lines
),

without_tax as (
    select
        *,
        product_subtotal - case when prices_include_tax then product_tax_amount else 0 end as product_amount
    from taxed
)

select
    order_id,
    'shopify:' || coalesce(email_key, name_key) as customer_id,
    email_key,
    name_key,
    billing_country,
    coalesce(shipping_country, billing_country) as region,
    ordered_at,
    cancelled_at,
    case
        when cancelled_at is not null or financial_status in ('voided', 'expired') then 'cancelled'
        else financial_status
    end as status,
    upper(currency) as currency_code,
    {{ clean_label('source') }} as channel,
    lower(coalesce(payment_method, '')) like '%bogus%' as is_test,
    has_products,
    prices_include_tax,
    product_subtotal as subtotal_amount,
    product_tax_amount,
    -- A refund also includes tax, shipping and tips. Its share for products is that of the order: a full refund leaves nothing.
    case
        when refunded_amount > 0 and total > 0
            then {{ share_to_date('refunded_amount', 'cast(product_amount * 100 as bigint)', 'cast(total * 100 as bigint)') }}
        else 0
    end as refunded_product_amount,
    row_number() over (partition by order_id order by _delivered_on desc, _source_file desc) as _version,
    row_number() over (partition by order_id, _delivered_on order by _source_file desc) as _version_of_day,
    _source_file,
    _row_number,
    _delivered_on
from without_tax
