-- Refunds and lost disputes of Stripe; one row per charge, way of giving back and delivery day on which the amount had changed.
-- The export contains the total given back so far. Today's contains the date of a refund and of a dispute, but older exports do
-- not. Without a date, what the first export of a charge already contains counts on the charge's date, and what a later one
-- adds counts on the day of the delivery that contains it.
{{ config(materialized='table') }}
with

orders as (
    select * from {{ ref('stg_stripe__orders') }}
),

delivered as (
    {{ versions_by_day('stripe', 'payments') }}
),

charges as (
    select
        delivered.id,
        orders.ordered_at,
        orders.currency_code,
        delivered.amount,
        coalesce(delivered.{{ quoted('Amount Refunded') }}, 0) as amount_refunded,
        delivered.{{ quoted('Refunded date (UTC)') }} as refunded_at,
        -- Until a dispute is lost, the money may come back.
        case
            when lower(delivered.{{ quoted('Dispute Status') }}) = 'lost' then delivered.{{ quoted('Disputed Amount') }}
            else 0
        end as amount_lost,
        delivered.{{ quoted('Dispute Date (UTC)') }} as disputed_at,
        delivered._source_file,
        delivered._row_number,
        delivered._delivered_on
    from delivered
    inner join orders
        on delivered.id = orders.order_id
),

given_back as (
    select
        charges.*,
        '' as way,
        cast(null as string) as reason,
        charges.amount_refunded as amount_to_date,
        charges.refunded_at as stated_at
    from charges
    union all
    select
        charges.*,
        '/dispute' as way,
        'lost dispute' as reason,
        -- A charge gives back no more than it took, whatever the bank counts in its own currency.
        greatest(least(coalesce(charges.amount_lost, charges.amount), charges.amount - charges.amount_refunded), 0)
            as amount_to_date,
        charges.disputed_at as stated_at
    from charges
),

compared as (
    select
        *,
        lag(amount_to_date) over (partition by id, way order by _delivered_on) as amount_before
    from given_back
)

select
    id || way || '/' || _delivered_on as refund_id,
    id as order_id,
    cast(null as string) as order_item_id,
    case
        when stated_at is not null then stated_at
        when amount_before is null then ordered_at
        else {{ try_timestamp('cast(_delivered_on as string)', var('time_zone')) }}
    end as refunded_at,
    amount_to_date - coalesce(amount_before, 0) as amount,
    currency_code,
    reason,
    _source_file,
    _row_number,
    _delivered_on
from compared
where amount_to_date <> coalesce(amount_before, 0)
