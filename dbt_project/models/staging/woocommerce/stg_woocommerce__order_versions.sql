-- The order as in each export; one row per order and file that contains it. Every row of an order carries the order's columns.
{{ config(materialized='table') }}
with

delivered_lines as (
    select
        {{ quoted('Order Number') }} as order_id,
        {{ email_key(quoted('Email (Billing)')) }} as email_key,
        md5(nullif(lower(trim(concat_ws(' ', {{ quoted('First Name (Billing)') }}, {{ quoted('Last Name (Billing)') }}))), ''))
            as name_key,
        {{ quoted('Country Code (Billing)') }} as billing_country,
        coalesce({{ quoted('Country Code (Shipping)') }}, {{ quoted('Country Code (Billing)') }}) as region,
        {{ quoted('Order Date') }} as ordered_at,
        -- Shops export the name of a status, Pending payment, or its key, wc-pending.
        replace(replace(lower({{ quoted('Order Status') }}), 'wc-', ''), '-', ' ') as status,
        upper(currency) as currency_code,
        cast(100 * {{ quoted('Order Total Amount') }} as bigint) as total_cents,
        abs(coalesce({{ quoted('Order Refund Amount') }}, 0)) as refunded_amount,
        cast(100 * sum({{ quoted('Order Line (w/o tax)') }}) over (
            partition by {{ quoted('Order Number') }}, _delivered_on, _source_file
        ) as bigint) as product_cents,
        row_number() over (partition by {{ quoted('Order Number') }}, _delivered_on, _source_file order by _row_number) as _line,
        _source_file,
        _row_number,
        _delivered_on
    from {{ ref('base_woocommerce__orders') }}
    where _reject_reason is null
)

select
    order_id,
    'woocommerce:' || coalesce(email_key, name_key) as customer_id,
    email_key,
    name_key,
    billing_country,
    region,
    ordered_at,
    status,
    currency_code,
    -- A refund also includes tax, shipping and fees. Its share for products is that of the order: a full refund leaves nothing.
    case
        when refunded_amount > 0 and total_cents > 0 and product_cents > 0
            then {{ share_to_date('refunded_amount', 'product_cents', 'total_cents') }}
        else 0
    end as refunded_product_amount,
    row_number() over (partition by order_id order by _delivered_on desc, _source_file desc) as _version,
    row_number() over (partition by order_id, _delivered_on order by _source_file desc) as _version_of_day,
    _source_file,
    _row_number,
    _delivered_on
from delivered_lines
where _line = 1
