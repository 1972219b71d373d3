-- A failure means that money that went back is missing from the facts although its order counts, or was never delivered.
{{ config(meta={'dagster': {'ref': {'name': 'fct_refunds'}}}) }}
select refunds.refund_id
from {{ ref('int_refunds') }} as refunds
cross join {{ ref('int_run_parameters') }} as parameters
left join {{ ref('fct_refunds') }} as facts
    on refunds.refund_id = facts.refund_id
left join {{ ref('int_orders') }} as orders
    on refunds.order_id = orders.order_id
left join {{ ref('int_counted_orders') }} as counted_orders
    on refunds.order_id = counted_orders.order_id
where
    facts.refund_id is null
    and {{ business_date('refunds.refunded_at') }} <= parameters.as_of_date
    and (orders.order_id is null or counted_orders.order_id is not null)
