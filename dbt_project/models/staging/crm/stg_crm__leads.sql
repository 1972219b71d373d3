-- Leads of the CRM, newest version; one row per lead, deleted ones included.
with

latest as (
    {{ latest_rows('crm', 'leads') }}
)

select
    id as lead_id,
    {{ email_key('email') }} as email_key,
    created_at,
    {{ clean_label('source') }} as source,
    campaign_id,
    sdr_id,
    mql_at,
    sql_at,
    converted_at,
    opportunity_id,
    coalesce(is_deleted, false) as is_deleted,
    updated_at,
    _source_file,
    _row_number,
    _delivered_on
from latest
