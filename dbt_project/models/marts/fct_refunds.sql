-- Refunds of orders that count, in the reporting currency at the rate of the refund's date; one row per refund.
-- A refund whose order was never delivered counts too, without cuts: money that went back is not dropped in silence.
with

refunds as (
    select
        *,
        {{ business_date('refunded_at') }} as refunded_on
    from {{ ref('int_refunds') }}
),

known_orders as (
    select order_id from {{ ref('int_orders') }}
),

counted_orders as (
    select * from {{ ref('int_counted_orders') }}
),

sales_reps as (
    select * from {{ ref('int_sales_rep_versions') }}
),

rates as (
    select * from {{ ref('int_fx_rates_daily') }}
),

parameters as (
    select * from {{ ref('int_run_parameters') }}
)

select
    refunds.refund_id,
    refunds.order_id,
    refunds.order_item_id,
    counted_orders.customer_id,
    refunds.refunded_on,
    counted_orders.channel,
    counted_orders.rep_id,
    sales_reps.team,
    counted_orders.region,
    counted_orders.segment,
    coalesce(counted_orders.is_first_order, false) as is_first_order,
    refunds.currency_code,
    rates.rate as fx_rate,
    {{ in_reporting_currency('refunds.amount', 'rates.rate') }} as refund_amount,
    refunds.reason,
    refunds._source_file,
    refunds._row_number
from refunds
cross join parameters
left join known_orders
    on refunds.order_id = known_orders.order_id
left join counted_orders
    on refunds.order_id = counted_orders.order_id
left join sales_reps
    on
        counted_orders.rep_id = sales_reps.rep_id
        and refunds.refunded_on >= sales_reps.valid_from
        and refunds.refunded_on < sales_reps.valid_until
left join rates
    on
        refunds.refunded_on = rates.date_day
        and refunds.currency_code = rates.currency_code
where
    refunds.refunded_on <= parameters.as_of_date
    and (counted_orders.order_id is not null or known_orders.order_id is null)
