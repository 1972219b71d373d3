-- Invoices of Chargebee, newest version; one row per invoice, voided and deleted ones included. An invoice counts on its date,
-- whether it is paid or not. Pending invoices may still change, and invoices over nothing, such as those of trials, sell nothing.
with

latest as (
    {{ latest_rows('chargebee', 'invoices') }}
),

customers as (
    {{ latest_rows('chargebee', 'customers') }}
)

select
    latest.id as order_id,
    latest.customer_id,
    cast('1970-01-01 00:00:00' as timestamp) + latest.date * interval '1' second as ordered_at,
    case when lower(latest.status) = 'voided' then 'cancelled' else lower(latest.status) end as status,
    upper(latest.currency_code) as currency_code,
    cast(null as string) as channel,
    upper(customers.country) as region,
    cast(null as string) as rep_id,
    cast('1970-01-01 00:00:00' as timestamp) + latest.updated_at * interval '1' second as updated_at,
    coalesce(latest.deleted, false) as is_deleted,
    {{ major_units('latest.total - latest.tax', 'latest.currency_code') }} as total_amount,
    latest._source_file,
    latest._row_number,
    latest._delivered_on
from latest
left join customers
    on latest.customer_id = customers.id
where lower(latest.status) <> 'pending' and latest.total > 0
