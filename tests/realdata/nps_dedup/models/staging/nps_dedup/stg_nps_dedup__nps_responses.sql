-- Filled-in surveys with the day and time written in any way people write them; one row per survey whose day can be read.
with

answers as (
    {{ latest_rows('nps_dedup', 'answers') }}
),

surveys as (
    select
        response as response_id,
        max(country) as country,
        max(store) as store,
        max(name) as name,
        max(case when "Question Number" = '1' then answer end) as day_text,
        max(case when "Question Number" = '2' then replace(lower(answer), ' ', '') end) as time_text,
        max(case when "Question Number" = '3' then answer end) as score_text,
        min(_source_file) as _source_file,
        min(_row_number) as _row_number,
        min(_delivered_on) as _delivered_on
    from answers
    group by 1
),

read as (
    select
        *,
        case
            when lower(country) like '%netherlands' then 'Netherlands'
            when lower(country) like 'united state%' then 'United States'
            when lower(country) like 'sc%t%' then 'Scotland'
            else 'England'
        end as clean_country,
        case when store = 'Amstelveen' then 'Amsterdam' else store end as clean_store,
        case
            when lower(country) like 'united state%'
                then coalesce({{ try_date('day_text', 'mm/dd/yyyy') }}, {{ try_date('day_text', 'dd/mm/yyyy') }})
            else coalesce(
                {{ try_date('day_text', 'dd/mm/yyyy') }},
                {{ try_date("replace(day_text, '/', '-')", 'yyyy-mm-dd') }},
                {{ try_date("replace(day_text, 'th', '')", 'dd mon yyyy') }}
            )
        end as day,
        translate(replace(time_text, 'pm', ''), ':.am', '') as digits,
        case when time_text like '%pm' then 12 else 0 end as hours_after_noon
    from surveys
),

timed as (
    select
        *,
        cast(substring(digits, 1, length(digits) - 2) as integer) + hours_after_noon as hours
    from read
    where day is not null
)

select
    response_id,
    cast(null as string) as invitation_id,
    concat(clean_country, '|', clean_store, '|', name) as customer_id,
    cast(score_text as bigint) as score,
    -- 24:00 is the start of the next day.
    {{ try_timestamp(
        "concat(" ~ add_days('day', 'cast(floor(hours / 24) as integer)') ~ ", ' ', mod(hours, 24), ':', right(digits, 2))"
    ) }} as responded_at,
    _source_file,
    _row_number,
    _delivered_on
from timed
