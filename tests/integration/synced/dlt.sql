-- The same objects as the verified sources of dlt keep them after their first load: fields of objects as columns, lists as
-- child tables. There is no history of opportunities, and no payment of a sale.
create schema dlt;
create table dlt.owners (id varchar, first_name varchar, last_name varchar, email varchar, is_deleted boolean);
insert into dlt.owners values
    ('11', 'Mia', 'Muster', 'mia@example.com', true), ('12', 'Max', 'Muster', 'max@example.com', false);
create table dlt.contacts (
    id varchar, email varchar, hubspot_owner_id varchar, createdate timestamptz, lastmodifieddate timestamptz,
    lifecyclestage varchar, hs_analytics_source varchar, hs_lifecyclestage_marketingqualifiedlead_date timestamptz,
    is_deleted boolean, _dlt_load_id varchar, _dlt_id varchar
);
insert into dlt.contacts values
    ('501', 'Ada@example.com', '11', '2025-01-10 08:30:00+00', '2025-03-30 16:00:00+00', 'customer', 'ORGANIC_SEARCH',
     '2025-01-12 09:00:00+00', false, '1', 'c1'),
    ('502', 'bob@example.com', '11', '2025-02-01 07:15:00+00', '2025-03-01 09:00:00+00', 'lead', 'PAID_SOCIAL', null, false,
     '1', 'c2'),
    ('503', 'cy@example.com', null, '2025-02-02 07:15:00+00', '2025-03-01 09:00:00+00', 'subscriber', null, null, false, '1',
     'c3'),
    ('510', 'gone@example.com', '11', '2025-01-09 08:30:00+00', '2025-03-01 09:00:00+00', 'lead', null, null, true, '1', 'c4');
create table dlt.contacts__deals (value varchar, deals_id varchar, _dlt_parent_id varchar);
insert into dlt.contacts__deals values
    ('1501', '9001', 'cx'), ('501', '9001', 'c1'), ('502', '9002', 'c2'), ('502', '9004', 'c2');
create table dlt.companies__deals (value varchar, deals_id varchar, _dlt_parent_id varchar);
insert into dlt.companies__deals values ('7003', '9003', 'k1');
create table dlt.pipelines_deals (id varchar, label varchar, _dlt_id varchar);
insert into dlt.pipelines_deals values ('default', 'Sales Pipeline', 'p1');
create table dlt.pipelines_deals__stages (
    id varchar, label varchar, metadata__is_closed varchar, metadata__probability varchar, _dlt_parent_id varchar
);
insert into dlt.pipelines_deals__stages values
    ('contractsent', 'Contract Sent', 'false', '0.9', 'p1'), ('771', 'Signed', 'true', '1.0', 'p1'),
    ('772', 'Declined', 'true', '0.0', 'p1');
create table dlt.deals (
    id varchar, dealstage varchar, hubspot_owner_id varchar, amount double precision, closedate timestamptz,
    createdate timestamptz, deal_currency_code varchar, closed_lost_reason varchar,
    hs_v2_date_entered_current_stage timestamptz, is_deleted boolean
);
insert into dlt.deals values
    ('9001', '771', '12', 12000.5, '2025-03-14 14:00:00+00', '2025-01-20 10:00:00+00', 'EUR', null, '2025-03-14 14:00:00+00',
     false),
    ('9002', '772', '12', 5000, '2025-03-20 08:00:00+00', '2025-02-01 09:00:00+00', 'EUR', 'Price', '2025-03-20 08:00:00+00',
     false),
    ('9003', 'contractsent', '12', 700, '2025-05-15 08:00:00+00', '2025-03-01 09:00:00+00', 'EUR', null,
     '2025-03-05 08:00:00+00', false),
    ('9004', 'contractsent', '12', 900, '2025-05-15 08:00:00+00', '2025-03-02 09:00:00+00', 'EUR', null,
     '2025-03-06 08:00:00+00', false),
    ('9005', '771', '12', 3000, '2025-03-10 08:00:00+00', '2025-03-03 09:00:00+00', 'EUR', null, null, true);

create table dlt.lead (
    id varchar, is_deleted boolean, email varchar, lead_source varchar, owner_id varchar, converted_date varchar,
    converted_opportunity_id varchar, created_date timestamptz, system_modstamp timestamptz
);
insert into dlt.lead values
    ('00Q1', false, 'fay@example.com', 'Web', '0052', '2025-02-11', '0061', '2025-02-10 23:30:00+00', '2025-02-11 09:00:00+00'),
    ('00Q2', true, 'gus@example.com', 'Web', '0052', null, null, '2025-03-01 08:00:00+00', '2025-03-02 08:00:00+00');
create table dlt.opportunity (
    id varchar, is_deleted boolean, account_id varchar, type varchar, stage_name varchar, amount double precision,
    close_date varchar, is_closed boolean, is_won boolean, owner_id varchar, created_date timestamptz,
    system_modstamp timestamptz
);
insert into dlt.opportunity values
    ('0061', false, '0011', 'New Customer', 'Closed Won', 20000, '2025-03-14', true, true, '0051', '2025-02-11 09:00:00+00',
     '2025-03-14 15:00:00+00'),
    ('0062', false, '0012', 'Existing Customer - Upgrade', 'Closed Lost', 7000.25, '2025-03-20', true, false, '0051',
     '2025-03-02 10:00:00+00', '2025-03-20 12:00:00+00'),
    ('0063', false, '0013', null, 'Prospecting', 450, '2025-06-30', false, false, '0051', '2025-03-25 10:00:00+00',
     '2025-03-25 10:00:00+00');
create table dlt.user_role (id varchar, name varchar);
insert into dlt.user_role values ('00E1', 'Account Executive EMEA');
create table dlt.sf_user (
    id varchar, name varchar, user_type varchar, user_role_id varchar, title varchar, department varchar,
    division varchar, is_active boolean, last_modified_date timestamptz, system_modstamp timestamptz
);
insert into dlt.sf_user values
    ('0051', 'Sam Seller', 'Standard', '00E1', null, 'Atlas', 'EMEA', true, '2024-06-01 08:00:00+00',
     '2024-06-01 08:00:00+00'),
    ('0052', 'Dora Develop', 'Standard', null, 'Sales Development Representative', 'Boreal', 'EMEA', true,
     '2024-06-01 08:00:00+00', '2024-06-01 08:00:00+00');

create table dlt.orders (
    id bigint, name varchar, email varchar, created_at timestamptz, currency varchar, financial_status varchar,
    subtotal_price varchar, total_tax varchar, total_price varchar, total_discounts varchar, cancelled_at timestamptz,
    source_name varchar, test boolean, billing_address__name varchar, billing_address__country_code varchar,
    shipping_address__country_code varchar, _dlt_id varchar
);
insert into dlt.orders values
    (5001, '#1001', 'ada@example.com', '2025-03-01 10:00:00+00', 'EUR', 'paid', '45.00', '9.20', '54.20', '5.00', null, 'web',
     false, 'Ada Example', 'PL', 'PL', 'o1'),
    (5002, '#1002', 'bo@example.com', '2025-03-02 10:00:00+00', 'EUR', 'partially_refunded', '30.00', '0.00', '30.00', '0.00',
     null, 'pos', false, 'Bo Placeholder', 'DE', null, 'o2'),
    (5003, '#1003', 'test@example.com', '2025-03-03 10:00:00+00', 'EUR', 'paid', '999.00', '0.00', '999.00', '0.00', null,
     'web', true, 'Test Order', 'PL', 'PL', 'o3'),
    (5004, '#1004', 'cy@example.com', '2025-03-04 10:00:00+00', 'EUR', 'paid', '80.00', '0.00', '80.00', '0.00', null, 'web',
     false, 'Cy Example', 'PL', 'PL', 'o4');
create table dlt.orders__line_items (
    id bigint, name varchar, price varchar, quantity bigint, sku varchar, taxable boolean, total_discount varchar,
    _dlt_parent_id varchar
);
insert into dlt.orders__line_items values
    (7002, 'Pin', '9.00', 2, 'PIN', true, '0.00', 'o1'), (7001, 'Scarf', '32.00', 1, '', true, '5.00', 'o1'),
    (7003, 'Poster', '30.00', 1, 'POSTER', true, '0.00', 'o2'), (7004, 'Garden kit', '999.00', 1, 'KIT', true, '0.00', 'o3'),
    (7005, 'Bag', '80.00', 1, 'BAG', true, '0.00', 'o4');
create table dlt.orders__shipping_lines (price varchar, discounted_price varchar, _dlt_parent_id varchar);
insert into dlt.orders__shipping_lines values ('4.00', '0.00', 'o1');
create table dlt.orders__refunds__transactions (
    kind varchar, status varchar, amount varchar, gateway varchar, _dlt_parent_id varchar, _dlt_root_id varchar
);
insert into dlt.orders__refunds__transactions values
    ('refund', 'success', '12.50', 'shopify_payments', 'r1', 'o2'), ('refund', 'failure', '30.00', 'shopify_payments', 'r2', 'o2');

create table dlt.charge (
    id varchar, amount bigint, amount_refunded bigint, currency varchar, status varchar, captured boolean,
    refunded boolean, livemode boolean, customer varchar, receipt_email varchar, created bigint,
    billing_details__name varchar, payment_method_details__card__country varchar
);
insert into dlt.charge values
    ('ch_1', 10000, 0, 'eur', 'succeeded', true, false, true, 'cus_1', null, 1740823200, 'Ada Example', 'PL'),
    ('ch_2', 5500, 0, 'eur', 'failed', false, false, true, 'cus_1', null, 1740823500, null, null),
    ('ch_3', 8000, 8000, 'eur', 'succeeded', true, true, true, null, 'dee@example.com', 1740913200, null, null),
    ('ch_4', 1999, 0, 'eur', 'succeeded', false, false, true, 'cus_1', null, 1740996000, null, null),
    ('ch_5', 7000, 0, 'eur', 'succeeded', true, false, false, 'cus_1', null, 1740999600, null, null),
    ('ch_6', 1999, 999, 'eur', 'succeeded', true, false, true, 'cus_1', null, 1741078800, null, null),
    ('ch_7', 5000, 0, 'jpy', 'succeeded', true, false, true, 'cus_1', null, 1741082400, null, null);
create table dlt.customer (id varchar, email varchar);
insert into dlt.customer values ('cus_1', 'ada@example.com');
create table dlt.refund (id varchar, charge varchar, created bigint, status varchar);
insert into dlt.refund values
    ('re_1', 'ch_3', 1741161600, 'succeeded'), ('re_2', 'ch_6', 1741248000, 'succeeded'), ('re_3', 'ch_1', 1741334400, 'failed');
