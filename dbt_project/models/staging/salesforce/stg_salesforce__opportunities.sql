-- Opportunities of Salesforce, newest version; one row per opportunity that was not deleted.
-- Salesforce knows only the day of a close. The close is placed at the day's last second, after everything else on that day.
-- A report may lack what the object has: the stage then says how a deal ended, and names take the place of ids.
{{ config(materialized='table') }}
with

latest as (
    {{ latest_rows('salesforce', 'opportunities') }}
),

ended as (
    select
        *,
        coalesce(iswon, {{ stage_outcome('stagename') }} = 'won', false) as is_won,
        coalesce(isclosed, case when iswon then true end, {{ stage_outcome('stagename') }} is not null) as is_closed
    from latest
),

leads as (
    {{ latest_rows('salesforce', 'leads') }}
),

-- If several leads were merged into one opportunity, it came from the first of them.
first_leads as (
    select
        convertedopportunityid as opportunity_id,
        min_by(id, createddate) as lead_id,
        min_by(coalesce(ownerid, {{ quoted('Lead Owner') }}, {{ quoted('Owner Alias') }}), createddate) as owner_id
    from leads
    where not coalesce(isdeleted, false)
    group by 1
)

select
    ended.id as opportunity_id,
    coalesce(ended.accountid, 'salesforce-account-' || {{ email_key('ended.' ~ quoted('Account Name')) }}) as customer_id,
    first_leads.lead_id,
    coalesce(ended.ownerid, ended.{{ quoted('Owner') }}) as owner_id,
    case when first_leads.owner_id not like '00G%' then first_leads.owner_id end as sdr_id,
    case
        when lower(ended.type) like 'new%' then 'new_business'
        when lower(ended.type) like 'existing%' then 'expansion'
    end as type,
    ended.stagename as stage,
    ended.{{ quoted('Amount') }} as amount,
    upper(coalesce(ended.currencyisocode, '{{ var("reporting_currency") }}')) as currency_code,
    ended.createddate as created_at,
    ended.closedate as expected_close_date,
    case
        when ended.is_closed
            then {{ try_timestamp("cast(ended.closedate as string) || ' 23:59:59'", var('time_zone')) }}
    end as closed_at,
    ended.is_won,
    ended.is_closed,
    cast(null as string) as loss_reason,
    ended.systemmodstamp as updated_at,
    ended._source_file,
    ended._row_number,
    ended._delivered_on
from ended
left join first_leads
    on ended.id = first_leads.opportunity_id
where not coalesce(ended.isdeleted, false)
