-- The data of each Salesforce user, and from which day they apply; one row per person and delivery that contains the person.
-- Salesforce does not record when a user leaves: the date of the first known version that is not active is used instead.
{{ config(materialized='table') }}
with

users as (
    {{ versions_by_day('salesforce', 'users') }}
),

departures as (
    select
        id,
        min({{ business_date('lastmodifieddate') }}) as left_on
    from {{ ref('base_salesforce__users') }}
    where
        _reject_reason is null
        and not isactive
    group by 1
)

select
    users.id as rep_id,
    users._delivered_on as valid_from,
    users.{{ quoted('Name') }} as name,
    {{ sales_role('coalesce(users.' ~ quoted('UserRole.Name') ~ ', users.title)') }} as role,
    users.department as team,
    users.division as region,
    users.managerid as manager_id,
    cast(null as date) as hired_on,
    case when not users.isactive then departures.left_on end as left_on,
    users.division as office,
    users._source_file,
    users._row_number,
    users._delivered_on
from users
left join departures
    on users.id = departures.id
where users.usertype = 'Standard'
