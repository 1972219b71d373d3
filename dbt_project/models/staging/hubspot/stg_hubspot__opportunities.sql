-- Deals of HubSpot, newest version; one row per deal.
-- HubSpot says whether a deal is won or lost if the export has these columns. Otherwise the stage does, by its label.
{{ config(materialized='table') }}
with

latest as (
    {{ latest_rows('hubspot', 'deals') }}
),

contacts as (
    {{ latest_rows('hubspot', 'contacts') }}
),

labelled as (
    select
        *,
        {{ stage_outcome(quoted('Deal Stage')) }} as stage_outcome
    from latest
),

deals as (
    select
        *,
        nullif(trim(split_part({{ quoted('Associated Contact IDs') }}, ';', 1)), '') as contact_id,
        coalesce(
            nullif(trim(split_part({{ quoted('Associated Company IDs (Primary)') }}, ';', 1)), ''),
            nullif(trim(split_part({{ quoted('Associated Company IDs') }}, ';', 1)), '')
        ) as company_id,
        coalesce(
            {{ quoted('Is Closed Won') }},
            case when {{ quoted('Is closed lost') }} then false end,
            stage_outcome = 'won',
            false
        ) as is_won,
        case
            when {{ quoted('Is Closed Won') }} then false
            else coalesce(
                {{ quoted('Is closed lost') }},
                -- A closed deal counts as lost if it is known not to be won.
                case
                    when not {{ quoted('Is Closed Won') }}
                        then coalesce({{ quoted('Is Deal Closed?') }}, {{ quoted('Is closed (numeric)') }} = 1)
                end,
                stage_outcome = 'lost',
                false
            )
        end as is_lost
    from labelled
)

select
    deals.{{ quoted('Record ID') }} as opportunity_id,
    coalesce(
        {{ email_key('contacts.' ~ quoted('Email')) }},
        'hubspot-company-' || deals.company_id,
        'hubspot-contact-' || deals.contact_id
    ) as customer_id,
    deals.contact_id as lead_id,
    {{ clean_label('deals.' ~ quoted('Deal owner')) }} as owner_id,
    cast(null as string) as sdr_id,
    cast(null as string) as type,
    deals.{{ quoted('Deal Stage') }} as stage,
    deals.{{ quoted('Amount') }} as amount,
    upper(coalesce(deals.{{ quoted('Currency') }}, '{{ var("reporting_currency") }}')) as currency_code,
    deals.{{ quoted('Create Date') }} as created_at,
    {{ business_date('deals.' ~ quoted('Close Date')) }} as expected_close_date,
    case when deals.is_won or deals.is_lost then deals.{{ quoted('Close Date') }} end as closed_at,
    deals.is_won,
    deals.is_won or deals.is_lost as is_closed,
    case when deals.is_lost then {{ clean_label('deals.' ~ quoted('Closed Lost Reason')) }} end as loss_reason,
    cast(null as timestamp) as updated_at,
    deals._source_file,
    deals._row_number,
    deals._delivered_on
from deals
left join contacts
    on deals.contact_id = contacts.{{ quoted('Record ID') }}
