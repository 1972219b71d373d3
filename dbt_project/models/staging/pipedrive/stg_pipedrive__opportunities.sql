-- Deals of Pipedrive, newest version; one row per deal that was not deleted.
-- Pipedrive does not move a closed deal to a separate stage: the status says that it closed, and the last stage stays.
with

latest as (
    {{ latest_rows('pipedrive', 'deals') }}
),

deals as (
    select
        *,
        lower({{ quoted('Deal - Status') }}) as status
    from latest
)

select
    {{ quoted('Deal - ID') }} as opportunity_id,
    {{ email_key('coalesce(' ~ quoted('Deal - Organization') ~ ', ' ~ quoted('Deal - Contact person') ~ ')') }} as customer_id,
    cast(null as string) as lead_id,
    {{ clean_label(quoted('Deal - Owner')) }} as owner_id,
    cast(null as string) as sdr_id,
    cast(null as string) as type,
    {{ quoted('Deal - Stage') }} as stage,
    {{ quoted('Deal - Value') }} as amount,
    upper({{ quoted('Deal - Currency of value') }}) as currency_code,
    {{ quoted('Deal - Deal created') }} as created_at,
    {{ quoted('Deal - Expected close date') }} as expected_close_date,
    case
        when status = 'won' then {{ quoted('Deal - Won time') }}
        when status = 'lost' then {{ quoted('Deal - Lost time') }}
    end as closed_at,
    status = 'won' as is_won,
    status in ('won', 'lost') as is_closed,
    case when status = 'lost' then {{ clean_label(quoted('Deal - Lost reason')) }} end as loss_reason,
    {{ quoted('Deal - Update time') }} as updated_at,
    _source_file,
    _row_number,
    _delivered_on
from deals
where status <> 'deleted'
