-- The rate into the reporting currency that applies on each day; one row per day and currency.
-- A day without a rate uses the latest earlier rate; a day before the first rate has none, which is an error downstream.
with

parameters as (
    select * from {{ ref('int_run_parameters') }}
),

rates as (
    select
        fx_rates.from_currency as currency_code,
        fx_rates.rate_date as valid_from,
        fx_rates.rate,
        lead(fx_rates.rate_date) over (partition by fx_rates.from_currency order by fx_rates.rate_date) as valid_until
    from {{ ref('int_fx_rates') }} as fx_rates
    inner join parameters
        on fx_rates.to_currency = parameters.reporting_currency
    where
        fx_rates.from_currency <> parameters.reporting_currency
        and fx_rates.rate_date <= parameters.as_of_date
),

days as (
    select date_day from {{ ref('int_days') }}
),

foreign_currencies as (
    select
        days.date_day,
        rates.currency_code,
        rates.rate
    from days
    inner join rates
        on
            days.date_day >= rates.valid_from
            and days.date_day < coalesce(rates.valid_until, cast('9999-12-31' as date))
),

reporting_currency as (
    select
        days.date_day,
        parameters.reporting_currency as currency_code,
        cast(1 as decimal(18, 8)) as rate
    from days
    cross join parameters
)

select * from foreign_currencies
union all
select * from reporting_currency
