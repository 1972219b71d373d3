-- Leads of Salesforce, newest version; one row per lead, deleted ones included.
-- In Salesforce, a lead converts when it becomes an opportunity (sales accepts it); here, when that opportunity is won.
{{ config(materialized='table') }}
with

leads as (
    {{ latest_rows('salesforce', 'leads') }}
),

opportunities as (
    select * from {{ ref('stg_salesforce__opportunities') }}
)

select
    leads.id as lead_id,
    {{ email_key('leads.email') }} as email_key,
    leads.createddate as created_at,
    {{ clean_label('leads.leadsource') }} as source,
    cast(null as string) as campaign_id,
    -- Ids that start with 00G are queues: nobody has taken the lead yet.
    case
        when coalesce(leads.ownerid, '') not like '00G%'
            then coalesce(leads.ownerid, leads.{{ quoted('Lead Owner') }}, leads.{{ quoted('Owner Alias') }})
    end as sdr_id,
    cast(null as timestamp) as mql_at,
    -- If the conversion created the opportunity, its creation time is exact. For an earlier opportunity, only the day is known.
    case
        when leads.converteddate = {{ business_date('opportunities.created_at') }} then opportunities.created_at
        else {{ try_timestamp("cast(leads.converteddate as string) || ' 23:59:59'", var('time_zone')) }}
    end as sql_at,
    case when opportunities.is_won then opportunities.closed_at end as converted_at,
    leads.convertedopportunityid as opportunity_id,
    coalesce(leads.isdeleted, false) as is_deleted,
    leads.systemmodstamp as updated_at,
    leads._source_file,
    leads._row_number,
    leads._delivered_on
from leads
left join opportunities
    on leads.convertedopportunityid = opportunities.opportunity_id
