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
                then coalesce(try_strptime(day_text, '%m/%d/%Y'), try_strptime(day_text, '%d/%m/%Y'))
            else coalesce(
                try_strptime(day_text, '%d/%m/%Y'),
                try_strptime(day_text, '%Y/%m/%d'),
                try_strptime(day_text, '%Y-%m-%d'),
                try_strptime(regexp_replace(day_text, '^([0-9]+)(st|nd|rd|th)', '\1'), '%d %b %Y')
            )
        end as day,
        cast(regexp_extract(regexp_replace(time_text, '[^0-9]', '', 'g'), '^([0-9]+)[0-9][0-9]$', 1) as integer)
        + case when time_text like '%pm' then 12 else 0 end as hours,
        cast(right(regexp_replace(time_text, '[^0-9]', '', 'g'), 2) as integer) as minutes
    from surveys
)

select
    response_id,
    cast(null as string) as invitation_id,
    concat(clean_country, '|', clean_store, '|', name) as customer_id,
    cast(score_text as bigint) as score,
    day + to_hours(hours) + to_minutes(minutes) as responded_at,
    _source_file,
    _row_number,
    _delivered_on
from read
where day is not null
