-- Every delivered line with its order and its position in that order; one row per delivered line, unreadable ones included.
-- An order is identified by its name. Two shops, or one shop that restarted its numbering, give the same name to different
-- orders. `Id`, Shopify's own number on the first line of an order, then distinguishes them.
-- Not every line is a product. A tip is part of the order's total, but not of its subtotal. A gift card is a voucher: revenue is
-- what it pays for later. No tax is charged on either. Shops name gift cards in their own language.
{%- set gift_cards = [
    'gift card', 'giftcard', 'geschenkgutschein', 'geschenkkarte', 'carte cadeau', 'carte-cadeau', 'tarjeta regalo',
    'tarjeta de regalo', 'buono regalo', 'carta regalo', 'cadeaubon', 'cadeaukaart', 'karta podarunkowa', 'bon podarunkowy',
] %}
with

lines as (
    select
        *,
        max(case when id is not null then _row_number end) over (
            partition by name, _delivered_on, _source_file
            order by _row_number
            rows between unbounded preceding and current row
        ) as _first_row
    from {{ ref('base_shopify__orders') }}
),

identified as (
    select
        *,
        max(id) over (partition by name, _delivered_on, _source_file, _first_row) as shopify_id
    from lines
),

named as (
    select
        *,
        case
            when
                shopify_id is not null
                and min(shopify_id) over (partition by name) <> max(shopify_id) over (partition by name)
                then concat(name, '/', shopify_id)
            else name
        end as order_id
    from identified
)

select
    order_id,
    shopify_id,
    case
        when coalesce({{ quoted('Lineitem taxable') }}, true) then 'product'
        when lower({{ quoted('Lineitem name') }}) = 'tip' and {{ quoted('Lineitem sku') }} is null then 'tip'
        {%- for name in gift_cards %}
        when lower({{ quoted('Lineitem name') }}) like '%{{ name }}%' then 'gift_card'
        {%- endfor %}
        else 'product'
    end as line_kind,
    row_number() over (partition by order_id, _delivered_on, _source_file order by _row_number) as _line,
    {{ quoted('Email') }},
    {{ quoted('Financial Status') }},
    {{ quoted('Currency') }},
    {{ quoted('Subtotal') }},
    {{ quoted('Shipping') }},
    {{ quoted('Taxes') }},
    {{ quoted('Total') }},
    {{ quoted('Duties') }},
    {{ quoted('Discount Amount') }},
    {{ quoted('Created at') }},
    {{ quoted('Lineitem quantity') }},
    {{ quoted('Lineitem name') }},
    {{ quoted('Lineitem price') }},
    {{ quoted('Lineitem sku') }},
    {{ quoted('Lineitem taxable') }},
    {{ quoted('Billing Name') }},
    {{ quoted('Billing Country') }},
    {{ quoted('Shipping Country') }},
    {{ quoted('Cancelled at') }},
    {{ quoted('Payment Method') }},
    {{ quoted('Refunded Amount') }},
    {{ quoted('Source') }},
    {{ quoted('Lineitem discount') }},
    _reject_reason,
    _source_file,
    _row_number,
    _delivered_on
from named
