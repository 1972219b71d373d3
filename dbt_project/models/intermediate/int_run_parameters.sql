-- What this run counts up to; exactly one row.
-- The date comes from the environment, not from a variable: dbt reads its whole project anew when a variable changes.
select
    cast('{{ env_var("KPI_AS_OF_DATE") }}' as date) as as_of_date,
    cast('{{ var("reporting_currency") }}' as string) as reporting_currency
