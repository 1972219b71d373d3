-- The team and office of each sales rep over time; one row per rep and span [valid_from, valid_until) in which nothing changed.
-- The first known version applies to all days before it, the last version to all days after it.
{% set attributes = ['name', 'role', 'team', 'office', 'region', 'manager_id', 'hired_on', 'left_on'] %}
with

delivered as (
    {{ union_entity('sales_rep_versions') }}
),

parameters as (
    select * from {{ ref('int_run_parameters') }}
),

versions as (
    select
        delivered.*,
        {{ surrogate_key(attributes) }} as attributes_key
    from delivered
    cross join parameters
    where delivered.valid_from is null or delivered.valid_from <= parameters.as_of_date
),

compared as (
    select
        *,
        lag(attributes_key) over (partition by rep_id order by valid_from nulls first) as prior_attributes_key
    from versions
),

changes as (
    select
        *,
        row_number() over (partition by rep_id order by valid_from nulls first) as version_number,
        lead(valid_from) over (partition by rep_id order by valid_from nulls first) as next_valid_from
    from compared
    where prior_attributes_key is null or attributes_key <> prior_attributes_key
)

select
    rep_id,
    case when version_number = 1 then cast('1900-01-01' as date) else valid_from end as valid_from,
    coalesce(next_valid_from, cast('9999-12-31' as date)) as valid_until,
    next_valid_from is null as is_current,
    coalesce(name, rep_id) as rep_name,
    role,
    team,
    office,
    region,
    manager_id,
    hired_on,
    left_on,
    _source_file,
    _row_number
from changes
