-- A failure means that a cost of sales or marketing has no amount in the reporting currency: it is missing from the acquisition
-- cost, which is too low. Have the rate of the month's first day delivered, or correct the currency.
{{ config(meta={'dagster': {'ref': {'name': 'int_sales_marketing_costs'}}}) }}
with

costs as (
    select
        *,
        {{ period_start('month', 'cost_month') }} as valued_on
    from {{ ref('int_sales_marketing_costs') }}
),

rates as (
    select * from {{ ref('int_fx_rates_daily') }}
),

parameters as (
    select * from {{ ref('int_run_parameters') }}
)

select
    costs.cost_month,
    costs.cost_type,
    costs.currency_code,
    costs._source_file,
    costs._row_number
from costs
cross join parameters
left join rates
    on
        costs.valued_on = rates.date_day
        and costs.currency_code = rates.currency_code
where
    costs.valued_on <= parameters.as_of_date
    and costs.amount is not null
    and rates.rate is null
