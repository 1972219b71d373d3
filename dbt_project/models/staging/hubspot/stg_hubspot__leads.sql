-- Contacts of HubSpot as leads, newest version; one row per contact, without those who only subscribed to a newsletter.
-- The first contact named in a deal is the lead that it came from; a lead converts when the first such deal is won.
{{ config(materialized='table') }}
with

contacts as (
    {{ latest_rows('hubspot', 'contacts') }}
),

opportunities as (
    select * from {{ ref('stg_hubspot__opportunities') }}
),

deals as (
    select
        lead_id,
        min_by(opportunity_id, created_at) as opportunity_id,
        min(case when is_won then closed_at end) as converted_at
    from opportunities
    group by 1
)

select
    contacts.{{ quoted('Record ID') }} as lead_id,
    {{ email_key('contacts.' ~ quoted('Email')) }} as email_key,
    contacts.{{ quoted('Create Date') }} as created_at,
    coalesce(
        {{ clean_label('contacts.' ~ quoted('Lead Source')) }},
        {{ clean_label('contacts.' ~ quoted('Original Source')) }}
    ) as source,
    cast(null as string) as campaign_id,
    {{ clean_label('contacts.' ~ quoted('Contact owner')) }} as sdr_id,
    contacts.{{ quoted('Became a Marketing Qualified Lead Date') }} as mql_at,
    contacts.{{ quoted('Became a Sales Qualified Lead Date') }} as sql_at,
    deals.converted_at,
    deals.opportunity_id,
    false as is_deleted,
    contacts.{{ quoted('Last Modified Date') }} as updated_at,
    contacts._source_file,
    contacts._row_number,
    contacts._delivered_on
from contacts
left join deals
    on contacts.{{ quoted('Record ID') }} = deals.lead_id
where coalesce(lower(contacts.{{ quoted('Lifecycle Stage') }}), '') <> 'subscriber'
