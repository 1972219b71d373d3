-- The touches to which orders are attributed, by five models; one row per order that counts and earlier touch of its customer.
-- An order without touches has one row, channel `unattributed`. The weights of an order add up to 1 in each model, and the
-- amounts to its sales (gross − discounts, before refunds), to the cent.
-- Time decay halves a touch's weight for every 7 days before the last one; position gives 40 % each to the first and the last.
{% set models = ['first', 'last', 'linear', 'position', 'time_decay'] %}
{{ incremental_by_fingerprint('ordered_on', inputs='int_order_touches') }}
with

owed as (
    select
        *,
        row_number() over (partition by order_id order by touched_at, touchpoint_id) as touch_number,
        count(*) over (partition by order_id) as touches,
        max(touched_at) over (partition by order_id) as last_touched_at
    from {{ ref('int_order_touches') }}
    where {{ is_restated('ordered_on') }}
),

decayed as (
    select
        *,
        coalesce(power(cast(2 as double), -{{ hours_from('touched_at', 'last_touched_at') }} / (7 * 24)), 1) as decay
    from owed
),

weighted as (
    select
        *,
        case when touch_number = 1 then 1.0e0 else 0.0e0 end as first_weight,
        case when touch_number = touches then 1.0e0 else 0.0e0 end as last_weight,
        1.0e0 / touches as linear_weight,
        case
            when touches = 1 then 1.0e0
            when touches = 2 then 0.5e0
            when touch_number in (1, touches) then 0.4e0
            else 0.2e0 / (touches - 2)
        end as position_weight,
        decay / sum(decay) over (partition by order_id) as time_decay_weight
    from decayed
),

-- Sums are rounded instead of parts, so that the parts add up. Decimals are multiplied, since half a cent is not exact in a
-- double, and engines round it differently.
through_touch as (
    select
        {%- for model in models %}
        case
            when weighted.touch_number = weighted.touches then weighted.sales_amount
            else
                cast(
                    round(
                        cast(weighted.sales_amount as decimal(24, 2))
                        * cast(sum(weighted.{{ model }}_weight) over so_far as decimal(13, 12)),
                        2
                    ) as decimal(18, 2)
                )
        end as {{ model }}_amount_so_far,
        {%- endfor %}
        weighted.*
    from weighted
    window
        so_far as (
            partition by weighted.order_id
            order by weighted.touch_number
            rows between unbounded preceding and current row
        )
)

select
    order_id,
    customer_id,
    ordered_on,
    is_first_order,
    touchpoint_id,
    cast(touch_number as bigint) as touch_number,
    cast(touches as bigint) as touches,
    campaign_id,
    channel,
    is_paid,
    {%- for model in models %}
    {{ model }}_weight,
    cast({{ model }}_amount_so_far - coalesce(lag({{ model }}_amount_so_far) over in_order, 0) as decimal(18, 2))
        as {{ model }}_amount,
    {%- endfor %}
    {{ business_date('touched_at') }} as touched_on
from through_touch
window
    in_order as (partition by order_id order by touch_number)
