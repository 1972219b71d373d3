-- A failure means that the touches of an order share more or less than the order.
select order_id
from {{ ref('fct_attribution') }}
group by 1
having
    abs(sum(first_weight) - 1) > 1e-9
    or abs(sum(last_weight) - 1) > 1e-9
    or abs(sum(linear_weight) - 1) > 1e-9
    or abs(sum(position_weight) - 1) > 1e-9
    or abs(sum(time_decay_weight) - 1) > 1e-9
