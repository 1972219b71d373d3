-- Leads that were not deleted, with duplicates merged, and the dates on which they reached each stage; one row per person.
-- The first lead of a person determines its origin and its rep; each stage counts when it was first reached. A lead without a
-- date of arrival is in no cohort, and its conversion counts when it happened.
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

identities as (
    select * from {{ ref('int_lead_identities') }}
),

opportunities as (
    select * from {{ ref('fct_opportunities') }}
),

sales_reps as (
    select * from {{ ref('int_sales_rep_versions') }}
),

parameters as (
    select * from {{ ref('int_run_parameters') }}
),

known as (
    select
        identities.person_lead_id,
        leads.lead_id,
        leads.created_at,
        case when leads.mql_on <= parameters.as_of_date then leads.mql_on end as mql_on,
        case when leads.sql_on <= parameters.as_of_date then leads.sql_on end as sql_on,
        case when leads.converted_on <= parameters.as_of_date then leads.converted_on end as converted_on,
        case when leads.mql_on <= parameters.as_of_date then leads.mql_at end as mql_at,
        case when leads.sql_on <= parameters.as_of_date then leads.sql_at end as sql_at
    from leads
    cross join parameters
    inner join identities
        on leads.lead_id = identities.lead_id
    where
        leads.created_on is null
        or leads.created_on <= parameters.as_of_date
),

persons as (
    select
        person_lead_id,
        count(*) as merged_leads,
        min(mql_on) as mql_on,
        min(sql_on) as sql_on,
        min(converted_on) as converted_on,
        -- Steps from before the lead was created belong to another lead.
        min(case when mql_at >= created_at then mql_at end) as mql_at,
        min(case when sql_at >= created_at then sql_at end) as sql_at
    from known
    group by 1
),

-- The deal refers to its lead, or the lead to its deal, or both.
deals_of_leads as (
    select
        identities.person_lead_id,
        opportunities.opportunity_id,
        opportunities.created_on,
        opportunities.closed_on,
        opportunities.is_won
    from opportunities
    inner join identities
        on opportunities.lead_id = identities.lead_id
    union
    select
        identities.person_lead_id,
        opportunities.opportunity_id,
        opportunities.created_on,
        opportunities.closed_on,
        opportunities.is_won
    from opportunities
    inner join identities
        on opportunities.opportunity_id = identities.opportunity_id
),

deals as (
    select
        person_lead_id,
        count(*) as opportunities,
        min(created_on) as opportunity_on,
        min(case when is_won then closed_on end) as won_on
    from deals_of_leads
    group by 1
)

select
    leads.lead_id,
    leads.email_key,
    leads.source,
    leads.campaign_id,
    leads.sdr_id,
    created_version.team as created_team,
    converted_version.team as converted_team,
    created_version.office as created_office,
    converted_version.office as converted_office,
    leads.opportunity_id,
    cast(persons.merged_leads as bigint) as merged_leads,
    cast(coalesce(deals.opportunities, 0) as bigint) as opportunities,
    leads.created_on,
    persons.mql_on,
    persons.sql_on,
    deals.opportunity_on,
    deals.won_on,
    persons.converted_on,
    {{ days_from('leads.created_on', 'persons.converted_on') }} as days_to_convert,
    {{ hours_from('leads.created_at', 'least(persons.mql_at, persons.sql_at)') }} as hours_to_first_touch,
    leads._source_file,
    leads._row_number
from persons
inner join leads
    on persons.person_lead_id = leads.lead_id
left join deals
    on persons.person_lead_id = deals.person_lead_id
left join sales_reps as created_version
    on
        leads.sdr_id = created_version.rep_id
        and leads.created_on >= created_version.valid_from
        and leads.created_on < created_version.valid_until
left join sales_reps as converted_version
    on
        leads.sdr_id = converted_version.rep_id
        and persons.converted_on >= converted_version.valid_from
        and persons.converted_on < converted_version.valid_until
