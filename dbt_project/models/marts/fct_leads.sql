-- Leads that were not deleted, with the dates they passed each stage; one row per lead.
with

leads as (
    select
        *,
        {{ business_date('created_at') }} as created_on,
        {{ business_date('mql_at') }} as mql_on,
        {{ business_date('sql_at') }} as sql_on,
        {{ business_date('converted_at') }} as converted_on
    from {{ ref('int_leads') }}
),

parameters as (
    select * from {{ ref('int_run_parameters') }}
)

select
    leads.lead_id,
    leads.email_key,
    leads.source,
    leads.campaign_id,
    leads.sdr_id,
    leads.opportunity_id,
    leads.created_on,
    case when leads.mql_on <= parameters.as_of_date then leads.mql_on end as mql_on,
    case when leads.sql_on <= parameters.as_of_date then leads.sql_on end as sql_on,
    case when leads.converted_on <= parameters.as_of_date then leads.converted_on end as converted_on,
    case
        when leads.converted_on <= parameters.as_of_date then {{ days_from('leads.created_on', 'leads.converted_on') }}
    end as days_to_convert,
    leads._source_file,
    leads._row_number
from leads
cross join parameters
where
    not coalesce(leads.is_deleted, false)
    and leads.created_on <= parameters.as_of_date
