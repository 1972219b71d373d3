-- Deals of the CRM, newest version; one row per deal.
with

latest as (
    {{ latest_rows('crm', 'opportunities') }}
)

select
    id as opportunity_id,
    customer_id,
    lead_id,
    owner_id,
    sdr_id,
    type,
    stage,
    amount,
    upper(currency) as currency_code,
    created_at,
    expected_close_date,
    closed_at,
    coalesce(is_won, false) as is_won,
    coalesce(is_closed, false) as is_closed,
    {{ clean_label('loss_reason') }} as loss_reason,
    updated_at,
    {{ clean_label('product') }} as product,
    _source_file,
    _row_number,
    _delivered_on
from latest
