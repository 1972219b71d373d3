-- Lines of the orders that count, in the reporting currency at the rate of the order's date; one row per line.
-- Each amount is rounded to cents only here, so that all sums agree with each other.
{{ incremental_by_fingerprint('ordered_on', inputs='int_counted_order_items') }}
select
    order_item_id,
    order_id,
    customer_id,
    product_id,
    ordered_on,
    channel,
    rep_id,
    team,
    office,
    region,
    segment,
    is_first_order,
    quantity,
    currency_code,
    fx_rate,
    {{ in_reporting_currency('quantity * cast(unit_price as decimal(14, 4))', 'fx_rate') }} as gross_amount,
    {{ in_reporting_currency('coalesce(discount_amount, 0)', 'fx_rate') }} as discount_amount,
    {{ in_reporting_currency('quantity * cast(unit_cost as decimal(14, 4))', 'fx_rate') }} as cost_amount,
    _source_file,
    _row_number
from {{ ref('int_counted_order_items') }}
where {{ is_restated('ordered_on') }}
