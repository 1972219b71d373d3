-- Opportunities of Salesforce, newest version; one row per opportunity that was not deleted.
-- Salesforce knows only the day of a close. The close is placed at the day's last second, after everything else on that day.
{{ config(materialized='table') }}
with

latest as (
    {{ latest_rows('salesforce', 'opportunities') }}
),

leads as (
    {{ latest_rows('salesforce', 'leads') }}
),

-- If several leads were merged into one opportunity, it came from the first of them.
first_leads as (
    select
        convertedopportunityid as opportunity_id,
        min_by(id, createddate) as lead_id,
        min_by(ownerid, createddate) as owner_id
    from leads
    where not coalesce(isdeleted, false)
    group by 1
)

select
    latest.id as opportunity_id,
    latest.accountid as customer_id,
    first_leads.lead_id,
    latest.ownerid as owner_id,
    case when first_leads.owner_id not like '00G%' then first_leads.owner_id end as sdr_id,
    case
        when lower(latest.type) like 'new%' then 'new_business'
        when lower(latest.type) like 'existing%' then 'expansion'
    end as type,
    latest.stagename as stage,
    latest.{{ quoted('Amount') }} as amount,
    upper(coalesce(latest.currencyisocode, '{{ var("reporting_currency") }}')) as currency_code,
    latest.createddate as created_at,
    latest.closedate as expected_close_date,
    case
        when latest.isclosed
            then {{ try_timestamp("cast(latest.closedate as string) || ' 23:59:59'", var('time_zone')) }}
    end as closed_at,
    latest.iswon as is_won,
    latest.isclosed as is_closed,
    cast(null as string) as loss_reason,
    latest.systemmodstamp as updated_at,
    latest._source_file,
    latest._row_number,
    latest._delivered_on
from latest
left join first_leads
    on latest.id = first_leads.opportunity_id
where not coalesce(latest.isdeleted, false)
