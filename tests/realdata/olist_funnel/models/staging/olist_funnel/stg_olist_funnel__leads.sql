-- Leads with the deal they became; one row per lead.
with

leads as (
    {{ latest_rows('olist_funnel', 'qualified_leads') }}
),

deals as (
    {{ latest_rows('olist_funnel', 'closed_deals') }}
)

select
    leads.mql_id as lead_id,
    cast(null as string) as email_key,
    leads.first_contact_date as created_at,
    {{ clean_label('leads.origin') }} as source,
    leads.landing_page_id as campaign_id,
    deals.sdr_id,
    leads.first_contact_date as mql_at,
    cast(null as timestamp) as sql_at,
    deals.won_date as converted_at,
    deals.mql_id as opportunity_id,
    false as is_deleted,
    cast(null as timestamp) as updated_at,
    leads._source_file,
    leads._row_number,
    leads._delivered_on
from leads
left join deals
    on leads.mql_id = deals.mql_id
