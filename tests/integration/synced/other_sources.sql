-- Campaigns, deals and answers as tools keep them: rows per device or ad, versions of a campaign, times without an offset.
create schema google_ads;
create table google_ads.campaign_stats (
    date date, id bigint, customer_id bigint, device varchar, cost_micros bigint, impressions bigint, clicks bigint,
    conversions double precision
);
insert into google_ads.campaign_stats values
    ('2025-03-01', 71, 9, 'MOBILE', 1500000, 100, 3, 0.5), ('2025-03-01', 71, 9, 'DESKTOP', 2250000, 50, 2, 1),
    ('2025-03-02', 71, 9, 'MOBILE', 0, 1, null, null);
create table google_ads.campaign_history (
    id bigint, updated_at timestamptz, name varchar, advertising_channel_type varchar, _fivetran_active boolean
);
insert into google_ads.campaign_history values
    (71, '2025-01-01 00:00:00+00', 'Old name', 'SEARCH', true), (71, '2025-02-01 00:00:00+00', 'Brand', 'SEARCH', true);
create table google_ads.account_history (id bigint, updated_at timestamptz, currency_code varchar);
insert into google_ads.account_history values (9, '2025-01-01 00:00:00+00', 'EUR');

create schema facebook_ads;
create table facebook_ads.basic_ad (date date, ad_id varchar, account_id bigint, spend double precision, impressions bigint);
insert into facebook_ads.basic_ad values
    ('2025-03-01', '81', 5, 1.25, 10), ('2025-03-01', '82', 5, 2.5, 20), ('2025-03-02', '81', 5, 0.1, 1);
create table facebook_ads.ad_history (id bigint, updated_time timestamptz, campaign_id bigint);
insert into facebook_ads.ad_history values
    (81, '2025-01-01 00:00:00+00', 999), (81, '2025-02-01 00:00:00+00', 91), (82, '2025-01-01 00:00:00+00', 91);
create table facebook_ads.campaign_history (id bigint, updated_time timestamptz, name varchar);
insert into facebook_ads.campaign_history values (91, '2025-01-01 00:00:00+00', 'Spring');
create table facebook_ads.account_history (id bigint, currency varchar, _fivetran_synced timestamptz);
insert into facebook_ads.account_history values (5, 'EUR', '2025-01-01 00:00:00+00');

create schema airbyte;
create table airbyte.ads_insights (
    date_start date, date_stop date, ad_id varchar, account_id varchar, campaign_id varchar, campaign_name varchar,
    account_currency varchar, spend decimal(38, 9), impressions bigint
);
insert into airbyte.ads_insights values
    ('2025-03-01', '2025-03-01', '81', '5', '91', 'Spring', 'EUR', 1.25, 10),
    ('2025-03-01', '2025-03-01', '82', '5', '91', 'Spring', 'EUR', 2.5, 20),
    ('2025-03-02', '2025-03-02', '81', '5', '91', 'Spring', 'EUR', 0.1, 1);
create table airbyte.stages (id bigint, name varchar);
insert into airbyte.stages values (3, 'Proposal Made');
create table airbyte.users (id bigint, name varchar, active_flag boolean);
insert into airbyte.users values (4, 'Pia Muster', false);
create table airbyte.deals (
    id bigint, value decimal(38, 9), currency varchar, stage_id bigint, user_id bigint, status varchar, add_time varchar,
    update_time timestamp, stage_change_time varchar, won_time varchar, lost_time varchar, expected_close_date date,
    org_name varchar, deleted boolean
);
insert into airbyte.deals values
    (12, 999.99, 'EUR', 3, 4, 'won', '2025-03-01 22:30:00', '2025-03-30 10:00:00', null, '2025-03-30 10:00:00', null,
     '2025-04-30', 'Sample AG', false),
    (2, 10, 'EUR', 3, 4, 'open', '2025-03-01T22:30:00Z', null, null, null, null, null, null, null),
    (13, 10, 'EUR', 3, 4, 'open', '2025-03-01 22:30:00', null, null, null, null, null, null, true);
create table airbyte.survey_responses (
    id varchar, person varchar, survey_type varchar, score bigint, created_at bigint, updated_at bigint
);
insert into airbyte.survey_responses values ('1', '10', 'nps', 4, 1742904000, 1742904060);
create table airbyte.people (id varchar, email varchar);
insert into airbyte.people values ('10', 'ada@example.com');
