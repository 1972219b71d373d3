-- A company that is made up at random: two years of orders, deals, leads and ad spend, in the tables that `kpi why` and planted
-- faults read. Half of the orders have a rep, who is in one team.
create schema marts;
create schema meta;

create table meta.publication as
select
    'made-up' as publication_id,
    timestamp '2026-01-01 06:00:00' as published_at,
    date '2025-12-31' as as_of_date,
    'EUR' as reporting_currency;

create table marts.dim_period as
select
    'month' as grain,
    cast(range as date) as period_start,
    cast(range + interval 1 month as date) as period_end,
    strftime(range, '%Y-%m') as period_label,
    true as is_complete,
    30 as days,
    30 as days_elapsed,
    cast(range - interval 1 month as date) as prior_period_start,
    cast(range - interval 1 year as date) as last_year_period_start
from range(timestamp '2024-01-01', timestamp '2026-01-01', interval 1 month);

create table marts.kpi_catalogue as
from (
    values ('revenue', 'gross'), ('win_rate', 'closed_count'), ('lead_conversion', 'cohort_30d'), ('cac', 'spend')
) as catalogue (kpi_id, default_variant);

create table marts.kpi_variants as
from (
    values
    ('revenue', 'gross', 'money', 'Gross', 'quantity × price'),
    ('revenue', 'orders', 'count', 'Orders', 'orders'),
    ('revenue', 'aov', 'money', 'Average order', 'sales ÷ orders'),
    ('win_rate', 'closed_count', 'rate', 'Win rate', 'won ÷ closed'),
    ('lead_conversion', 'cohort_30d', 'rate', 'Conversion', 'converted ÷ leads'),
    ('cac', 'spend', 'money', 'Spend', 'spend')
) as variants (kpi_id, variant, unit, name_en, formula_en);

create table marts.kpi_scorecard (
    grain varchar,
    period_start date,
    kpi_id varchar,
    variant varchar,
    entity_type varchar,
    entity_id varchar,
    entity_name varchar,
    value decimal(38, 12),
    numerator decimal(38, 12),
    denominator decimal(38, 12),
    sample_size bigint,
    ci_low decimal(38, 12),
    ci_high decimal(38, 12),
    status varchar,
    is_partial_period boolean,
    is_mature boolean
);

create table marts.fct_order_items as
with orders as (
    select
        range as order_id,
        cast(date '2024-01-01' + cast(floor(random() * 731) as integer) as date) as ordered_on,
        (['web', 'web', 'retail', 'marketplace', 'partner'])[1 + cast(floor(random() * 5) as integer)] as channel,
        (['north', 'north', 'south', 'east', 'west'])[1 + cast(floor(random() * 5) as integer)] as region,
        (['smb', 'smb', 'smb', 'mid_market', 'enterprise'])[1 + cast(floor(random() * 5) as integer)] as segment,
        case when random() < 0.5 then cast(floor(random() * 10) as integer) end as rep,
        exp(5 + 0.7 * (random() + random() + random() + random() - 2)) as amount
    from range(60000)
)

select
    order_id,
    ordered_on,
    channel,
    region,
    segment,
    'R' || rep as rep_id,
    (['atlas', 'boreal', 'cobalt'])[1 + rep % 3] as team,
    cast(amount * case segment when 'smb' then 1 when 'mid_market' then 2 else 4 end as decimal(18, 2)) as gross_amount,
    cast(0 as decimal(18, 2)) as discount_amount
from orders;

create table marts.fct_opportunities as
with deals as (
    select
        cast(date '2024-01-01' + cast(floor(random() * 731) as integer) as date) as closed_on,
        cast(floor(random() * 6) as integer) as owner,
        (['north', 'south', 'east'])[1 + cast(floor(random() * 3) as integer)] as region,
        (['smb', 'mid_market', 'enterprise'])[1 + cast(floor(random() * 3) as integer)] as segment,
        random() < 0.35 as is_won
    from range(9600)
)

select
    closed_on,
    'R' || owner as owner_id,
    (['atlas', 'boreal'])[1 + owner % 2] as closed_team,
    region,
    segment,
    is_won,
    not is_won as is_lost
from deals;

create table marts.fct_leads as
with leads as (
    select
        cast(date '2024-01-01' + cast(floor(random() * 731) as integer) as date) as created_on,
        (['search', 'social', 'event'])[1 + cast(floor(random() * 3) as integer)] as source,
        cast(floor(random() * 4) as integer) as sdr,
        case when random() < 0.25 then 10 end as days_to_convert
    from range(14400)
)

select
    created_on,
    source,
    'R1' || sdr as sdr_id,
    (['delta', 'echo'])[1 + sdr % 2] as created_team,
    days_to_convert
from leads;

create table marts.fct_marketing_spend as
select
    cast(days.range as date) as spend_date,
    channels.channel,
    channels.channel as campaign_id,
    cast(channels.daily * (0.8 + 0.4 * random()) as decimal(18, 2)) as spend_amount,
    cast(channels.daily * 20 as bigint) as impressions
from range(timestamp '2024-01-01', timestamp '2026-01-01', interval 1 day) as days
cross join (
    values ('search', 100), ('social', 60), ('display', 30)
) as channels (channel, daily);
