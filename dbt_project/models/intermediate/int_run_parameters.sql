-- The date up to which this run counts; exactly one row.
-- The date comes from the environment, not from a variable: dbt parses its whole project again if a variable changes.
select
    cast('{{ env_var("KPI_AS_OF_DATE") }}' as date) as as_of_date,
    cast('{{ var("reporting_currency") }}' as string) as reporting_currency
