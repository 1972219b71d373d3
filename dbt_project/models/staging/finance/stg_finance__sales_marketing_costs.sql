-- Costs of sales and marketing except media; one row per month and kind of cost.
with

latest as (
    {{ latest_rows('finance', 'costs') }}
)

select
    {{ period_start('month', 'cost_month') }} as cost_month,
    cost_type,
    amount,
    upper(currency) as currency_code,
    _source_file,
    _row_number,
    _delivered_on
from latest
