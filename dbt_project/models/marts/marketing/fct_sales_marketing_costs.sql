-- Costs of sales and marketing except media, in the reporting currency at the rate of the month's first day; one row per month
-- and kind of cost of a source.
select
    {{ period_start('month', 'costs.cost_month') }} as cost_month,
    costs.cost_type,
    costs.cost_type in ({{ text_list(var('programme_cost_types')) }}) as is_of_programme,
    costs.currency_code,
    rates.rate as fx_rate,
    {{ in_reporting_currency('costs.amount', 'rates.rate') }} as cost_amount,
    costs._source,
    costs._source_file,
    costs._row_number
from {{ ref('int_sales_marketing_costs') }} as costs
left join {{ ref('int_fx_rates_daily') }} as rates
    on
        {{ period_start('month', 'costs.cost_month') }} = rates.date_day
        and costs.currency_code = rates.currency_code
