-- Refunds of Stripe; one row per charge and delivery day on which the refunded amount had changed.
-- Today's export contains the date of a refund, but older exports do not. Without that date, what the first export of a charge
-- already contains counts on the charge's date, and later refunds count on the day of the delivery that contains them.
{{ config(materialized='table') }}
with

orders as (
    select * from {{ ref('stg_stripe__orders') }}
),

versions as (
    {{ versions_by_day('stripe', 'payments') }}
),

charges as (
    select
        versions.id,
        orders.ordered_at,
        orders.currency_code,
        versions.{{ quoted('Refunded date (UTC)') }} as stated_at,
        coalesce(versions.{{ quoted('Amount Refunded') }}, 0) as amount_refunded,
        lag(coalesce(versions.{{ quoted('Amount Refunded') }}, 0)) over (partition by versions.id order by versions._delivered_on)
            as refunded_before,
        versions._source_file,
        versions._row_number,
        versions._delivered_on
    from versions
    inner join orders
        on versions.id = orders.order_id
)

select
    id || '/' || _delivered_on as refund_id,
    id as order_id,
    cast(null as string) as order_item_id,
    case
        when stated_at is not null then stated_at
        when refunded_before is null then ordered_at
        else {{ try_timestamp('cast(_delivered_on as string)', var('time_zone')) }}
    end as refunded_at,
    amount_refunded - coalesce(refunded_before, 0) as amount,
    currency_code,
    cast(null as string) as reason,
    _source_file,
    _row_number,
    _delivered_on
from charges
where amount_refunded <> coalesce(refunded_before, 0)
