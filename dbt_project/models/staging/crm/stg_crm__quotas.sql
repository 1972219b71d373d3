-- Monthly targets, newest version; one row per rep, month and KPI.
with

latest as (
    {{ latest_rows('crm', 'quotas') }}
)

select
    rep_id,
    {{ period_start('month', 'period_month') }} as period_month,
    kpi_id,
    target_value,
    upper(currency) as currency_code,
    _source_file,
    _row_number,
    _delivered_on
from latest
