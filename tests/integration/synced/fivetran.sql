-- What Fivetran keeps of the four vendors after its first sync, and of Salesforce in history mode. Optional columns that
-- no record has a value for are missing, as they are with Fivetran.
create schema hubspot;
create table hubspot.owner (owner_id bigint, first_name varchar, last_name varchar, email varchar);
insert into hubspot.owner values
    (11, 'Mia', 'Muster', 'mia@example.com'),
    (12, 'Max', 'Muster', 'max@example.com');
create table hubspot.contact (
    id bigint, property_email varchar, property_hubspot_owner_id bigint, property_createdate timestamptz,
    property_lastmodifieddate timestamptz, property_lifecyclestage varchar, property_hs_analytics_source varchar,
    property_hs_lifecyclestage_marketingqualifiedlead_date timestamptz, property_hs_calculated_merged_vids varchar,
    _fivetran_deleted boolean
);
insert into hubspot.contact values
    (501, 'Ada@example.com', 11, '2025-01-10 08:30:00+00', '2025-03-30 16:00:00+00', 'customer', 'ORGANIC_SEARCH',
     '2025-01-12 09:00:00+00', '509:1741000000000', false),
    (502, 'bob@example.com', 11, '2025-02-01 07:15:00+00', '2025-03-01 09:00:00+00', 'lead', 'PAID_SOCIAL', null, null, false),
    (503, 'cy@example.com', null, '2025-02-02 07:15:00+00', '2025-03-01 09:00:00+00', 'subscriber', null, null, null, false),
    (509, 'ada.old@example.com', 11, '2025-01-09 08:30:00+00', '2025-03-01 09:00:00+00', 'lead', null, null, null, false),
    (510, 'gone@example.com', 11, '2025-01-09 08:30:00+00', '2025-03-01 09:00:00+00', 'lead', null, null, null, true);
create table hubspot.deal_pipeline (pipeline_id varchar, label varchar);
insert into hubspot.deal_pipeline values ('default', 'Sales Pipeline');
create table hubspot.deal_pipeline_stage (
    stage_id varchar, pipeline_id varchar, label varchar, closed_won boolean, probability double precision, _fivetran_deleted boolean
);
insert into hubspot.deal_pipeline_stage values
    ('contractsent', 'default', 'Contract Sent', false, 0.9, false),
    ('771', 'default', 'Signed', true, 1.0, false),
    ('772', 'default', 'Declined', false, 0.0, true);
create table hubspot.deal (
    deal_id bigint, deal_pipeline_id varchar, deal_pipeline_stage_id varchar, owner_id bigint, property_amount double precision,
    property_closedate timestamptz, property_createdate timestamptz, property_deal_currency_code varchar,
    property_closed_lost_reason varchar, _fivetran_deleted boolean
);
insert into hubspot.deal values
    (9001, 'default', '771', 12, 12000.5, '2025-03-14 14:00:00+00', '2025-01-20 10:00:00+00', 'EUR', null, false),
    (9002, 'default', '772', 12, 5000, '2025-03-20 08:00:00+00', '2025-02-01 09:00:00+00', 'EUR', 'Price', false),
    (9003, 'default', 'contractsent', 12, 700, '2025-05-15 08:00:00+00', '2025-03-01 09:00:00+00', 'EUR', null, false),
    (9004, 'default', 'contractsent', 12, 900, '2025-05-15 08:00:00+00', '2025-03-02 09:00:00+00', 'EUR', null, false),
    (9005, 'default', '771', 12, 3000, '2025-03-10 08:00:00+00', '2025-03-03 09:00:00+00', 'EUR', null, false);
create table hubspot.merged_deal (deal_id bigint, merged_deal_id bigint);
insert into hubspot.merged_deal values (9001, 9005);
create table hubspot.deal_contact (deal_id bigint, contact_id bigint);
insert into hubspot.deal_contact values (9001, 1501), (9001, 501), (9002, 502), (9004, 502);
create table hubspot.deal_company (deal_id bigint, company_id bigint);
insert into hubspot.deal_company values (9003, 7003);
create table hubspot.deal_stage (deal_id bigint, value varchar, date_entered timestamptz, _fivetran_active boolean);
insert into hubspot.deal_stage values
    (9001, 'contractsent', '2025-02-01 10:00:00+00', false), (9001, '771', '2025-03-14 14:00:00+00', true),
    (9002, '772', '2025-03-20 08:00:00+00', true), (9003, 'contractsent', '2025-03-05 08:00:00+00', true),
    (9004, 'contractsent', '2025-03-06 08:00:00+00', true);

create schema salesforce;
create table salesforce.lead (
    id varchar, is_deleted boolean, email varchar, lead_source varchar, owner_id varchar, converted_date timestamp,
    converted_opportunity_id varchar, created_date timestamptz, system_modstamp timestamptz, _fivetran_active boolean
);
insert into salesforce.lead values
    ('00Q1', false, 'fay@example.com', 'Web', '00G1', null, null, '2025-02-10 23:30:00+00', '2025-02-10 23:30:00+00', false),
    ('00Q1', false, 'fay@example.com', 'Web', '0052', '2025-02-11', '0061', '2025-02-10 23:30:00+00', '2025-02-11 09:00:00+00', true),
    ('00Q2', true, 'gus@example.com', 'Web', '0052', null, null, '2025-03-01 08:00:00+00', '2025-03-02 08:00:00+00', true);
create table salesforce.opportunity (
    id varchar, is_deleted boolean, account_id varchar, type varchar, stage_name varchar, amount double precision,
    close_date timestamp, is_closed boolean, is_won boolean, owner_id varchar, created_date timestamptz,
    system_modstamp timestamptz, _fivetran_deleted boolean
);
insert into salesforce.opportunity values
    ('0061', false, '0011', 'New Customer', 'Closed Won', 20000, '2025-03-14', true, true, '0051', '2025-02-11 09:00:00+00',
     '2025-03-14 15:00:00+00', false),
    ('0062', false, '0012', 'Existing Customer - Upgrade', 'Closed Lost', 7000.25, '2025-03-20', true, false, '0051',
     '2025-03-02 10:00:00+00', '2025-03-20 12:00:00+00', false),
    ('0063', false, '0013', null, 'Prospecting', 450, '2025-06-30', false, false, '0051', '2025-03-25 10:00:00+00',
     '2025-03-25 10:00:00+00', false);
create table salesforce.opportunity_history (
    id varchar, opportunity_id varchar, stage_name varchar, created_by_id varchar, created_date timestamptz,
    system_modstamp timestamptz
);
insert into salesforce.opportunity_history values
    ('0081', '0061', 'Prospecting', '0052', '2025-02-11 09:00:00+00', '2025-02-11 09:00:00+00'),
    ('0082', '0061', 'Closed Won', '0051', '2025-03-14 15:00:00+00', '2025-03-14 15:00:00+00');
create table salesforce.user_role (id varchar, name varchar);
insert into salesforce.user_role values ('00E1', 'Account Executive EMEA');
create table salesforce."user" (
    id varchar, name varchar, user_type varchar, user_role_id varchar, title varchar, department varchar,
    division varchar, is_active boolean, last_modified_date timestamptz, system_modstamp timestamptz
);
insert into salesforce."user" values
    ('0051', 'Sam Seller', 'Standard', '00E1', null, 'Atlas', 'EMEA', true, '2024-06-01 08:00:00+00', '2024-06-01 08:00:00+00'),
    ('0052', 'Dora Develop', 'Standard', null, 'Sales Development Representative', 'Boreal', 'EMEA', true,
     '2024-06-01 08:00:00+00', '2024-06-01 08:00:00+00');

create schema shopify;
create table shopify."order" (
    id bigint, name varchar, email varchar, created_at timestamptz, currency varchar, financial_status varchar,
    subtotal_price double precision, total_tax double precision, total_price double precision, total_discounts double precision, cancelled_at timestamptz,
    source_name varchar, test boolean, billing_address_name varchar, billing_address_country_code varchar,
    shipping_address_country_code varchar, _fivetran_deleted boolean
);
insert into shopify."order" values
    (5001, '#1001', 'ada@example.com', '2025-03-01 10:00:00+00', 'EUR', 'paid', 45, 9.2, 54.2, 5, null, 'web', false,
     'Ada Example', 'PL', 'PL', false),
    (5002, '#1002', 'bo@example.com', '2025-03-02 10:00:00+00', 'EUR', 'partially_refunded', 30, 0, 30, 0, null, 'pos', false,
     'Bo Placeholder', 'DE', null, false),
    (5003, '#1003', 'test@example.com', '2025-03-03 10:00:00+00', 'EUR', 'paid', 999, 0, 999, 0, null, 'web', true,
     'Test Order', 'PL', 'PL', false),
    (5004, '#1004', 'cy@example.com', '2025-03-04 10:00:00+00', 'EUR', 'paid', 80, 0, 80, 0, null, 'web', false,
     'Cy Example', 'PL', 'PL', false);
create table shopify.order_line (
    id bigint, order_id bigint, name varchar, price double precision, quantity bigint, sku varchar, taxable boolean,
    total_discount double precision
);
insert into shopify.order_line values
    (7002, 5001, 'Pin', 9, 2, 'PIN', true, 0), (7001, 5001, 'Scarf', 32, 1, '', true, 5),
    (7003, 5002, 'Poster', 30, 1, 'POSTER', true, 0), (7004, 5003, 'Garden kit', 999, 1, 'KIT', true, 0),
    (7005, 5004, 'Bag', 80, 1, 'BAG', true, 0);
create table shopify.order_shipping_line (order_id bigint, price double precision, discounted_price double precision);
insert into shopify.order_shipping_line values (5001, 4, 0), (5004, 0, 0);
create table shopify.transaction (order_id bigint, kind varchar, status varchar, amount double precision, gateway varchar);
insert into shopify.transaction values
    (5001, 'sale', 'failure', 54.2, 'paypal'), (5001, 'sale', 'success', 54.2, 'shopify_payments'),
    (5002, 'sale', 'success', 30, 'shopify_payments'), (5002, 'refund', 'success', 12.5, 'shopify_payments'),
    (5002, 'refund', 'failure', 30, 'shopify_payments'), (5004, 'sale', 'success', 80, 'shopify_payments');

create schema stripe;
create table stripe.charge (
    id varchar, amount bigint, amount_refunded bigint, currency varchar, status varchar, captured boolean,
    refunded boolean, livemode boolean, customer_id varchar, receipt_email varchar, card_id varchar, created timestamptz
);
insert into stripe.charge values
    ('ch_1', 10000, 0, 'eur', 'succeeded', true, false, true, 'cus_1', null, 'card_1', '2025-03-01 10:00:00+00'),
    ('ch_2', 5500, 0, 'eur', 'failed', false, false, true, 'cus_1', null, null, '2025-03-01 10:05:00+00'),
    ('ch_3', 8000, 8000, 'eur', 'succeeded', true, true, true, null, 'dee@example.com', null, '2025-03-02 11:00:00+00'),
    ('ch_4', 1999, 0, 'eur', 'succeeded', false, false, true, 'cus_1', null, null, '2025-03-03 10:00:00+00'),
    ('ch_5', 7000, 0, 'eur', 'succeeded', true, false, false, 'cus_1', null, null, '2025-03-03 11:00:00+00'),
    ('ch_6', 1999, 999, 'eur', 'succeeded', true, false, true, 'cus_1', null, null, '2025-03-04 09:00:00+00'),
    ('ch_7', 5000, 0, 'jpy', 'succeeded', true, false, true, 'cus_1', null, null, '2025-03-04 10:00:00+00');
create table stripe.customer (id varchar, email varchar, is_deleted boolean);
insert into stripe.customer values ('cus_1', 'ada@example.com', true);
create table stripe.card (id varchar, name varchar, country varchar);
insert into stripe.card values ('card_1', 'Ada Example', 'PL');
create table stripe.refund (id varchar, charge_id varchar, created timestamptz, status varchar);
insert into stripe.refund values
    ('re_1', 'ch_3', '2025-03-05 08:00:00+00', 'succeeded'), ('re_2', 'ch_6', '2025-03-06 08:00:00+00', 'succeeded'),
    ('re_3', 'ch_1', '2025-03-07 08:00:00+00', 'failed');
