-- The same objects as Airbyte keeps them after its first sync: objects and lists of the API as JSON, numbers of seconds as
-- such, and records that HubSpot has archived.
create schema airbyte;
create table airbyte.owners (id varchar, "firstName" varchar, "lastName" varchar, email varchar, archived boolean);
insert into airbyte.owners values
    ('11', 'Mia', 'Muster', 'mia@example.com', true), ('12', 'Max', 'Muster', 'max@example.com', false);
create table airbyte.contacts (
    _airbyte_raw_id varchar, _airbyte_extracted_at timestamptz, id varchar, properties_email varchar,
    properties_hubspot_owner_id varchar, properties_createdate timestamptz, properties_lastmodifieddate timestamptz,
    properties_lifecyclestage varchar, properties_hs_analytics_source varchar,
    properties_hs_lifecyclestage_marketingqualifiedlead_date timestamptz, archived boolean
);
insert into airbyte.contacts values
    ('a', '2025-04-01 00:00:00+00', '501', 'Ada@example.com', '11', '2025-01-10 08:30:00+00', '2025-03-30 16:00:00+00',
     'customer', 'ORGANIC_SEARCH', '2025-01-12 09:00:00+00', false),
    ('b', '2025-04-01 00:00:00+00', '502', 'bob@example.com', '11', '2025-02-01 07:15:00+00', '2025-03-01 09:00:00+00',
     'lead', 'PAID_SOCIAL', null, false),
    ('c', '2025-04-01 00:00:00+00', '503', 'cy@example.com', null, '2025-02-02 07:15:00+00', '2025-03-01 09:00:00+00',
     'subscriber', null, null, null),
    ('d', '2025-04-01 00:00:00+00', '509', 'ada.old@example.com', '11', '2025-01-09 08:30:00+00', '2025-03-01 09:00:00+00',
     'lead', null, null, true);
create table airbyte.deal_pipelines ("pipelineId" varchar, label varchar, stages json);
insert into airbyte.deal_pipelines values ('default', 'Sales Pipeline', '[
    {"stageId": "contractsent", "label": "Contract Sent", "metadata": {"isClosed": "false", "probability": "0.9"}},
    {"stageId": "771", "label": "Signed", "metadata": {"isClosed": "true", "probability": "1.0"}},
    {"stageId": "772", "label": "Declined", "metadata": {"isClosed": "true", "probability": "0.0"}}
]');
create table airbyte.deals (
    id varchar, properties_dealstage varchar, properties_hubspot_owner_id varchar, properties_amount decimal(38, 9),
    properties_closedate timestamptz, properties_createdate timestamptz, properties_deal_currency_code varchar,
    properties_closed_lost_reason varchar, properties_hs_v2_date_entered_current_stage timestamptz, contacts json,
    companies json, archived boolean
);
insert into airbyte.deals values
    ('9001', '771', '12', 12000.5, '2025-03-14 14:00:00+00', '2025-01-20 10:00:00+00', 'EUR', null,
     '2025-03-14 14:00:00+00', '["1501", "501"]', '[]', false),
    ('9002', '772', '12', 5000, '2025-03-20 08:00:00+00', '2025-02-01 09:00:00+00', 'EUR', 'Price',
     '2025-03-20 08:00:00+00', '["502"]', null, false),
    ('9003', 'contractsent', '12', 700, '2025-05-15 08:00:00+00', '2025-03-01 09:00:00+00', 'EUR', null,
     '2025-03-05 08:00:00+00', null, '["7003"]', false),
    ('9004', 'contractsent', '12', 900, '2025-05-15 08:00:00+00', '2025-03-02 09:00:00+00', 'EUR', null,
     '2025-03-06 08:00:00+00', '["502"]', null, false),
    ('9005', '771', '12', 3000, '2025-03-10 08:00:00+00', '2025-03-03 09:00:00+00', 'EUR', null, null, null, null, true);

create table airbyte."Lead" (
    "Id" varchar, "IsDeleted" boolean, "Email" varchar, "LeadSource" varchar, "OwnerId" varchar, "ConvertedDate" date,
    "ConvertedOpportunityId" varchar, "CreatedDate" timestamptz, "SystemModstamp" timestamptz
);
insert into airbyte."Lead" values
    ('00Q1', false, 'fay@example.com', 'Web', '0052', '2025-02-11', '0061', '2025-02-10 23:30:00+00', '2025-02-11 09:00:00+00'),
    ('00Q2', true, 'gus@example.com', 'Web', '0052', null, null, '2025-03-01 08:00:00+00', '2025-03-02 08:00:00+00');
create table airbyte."Opportunity" (
    "Id" varchar, "IsDeleted" boolean, "AccountId" varchar, "Type" varchar, "StageName" varchar, "Amount" decimal(38, 9),
    "CloseDate" date, "IsClosed" boolean, "IsWon" boolean, "OwnerId" varchar, "CreatedDate" timestamptz,
    "SystemModstamp" timestamptz
);
insert into airbyte."Opportunity" values
    ('0061', false, '0011', 'New Customer', 'Closed Won', 20000, '2025-03-14', true, true, '0051',
     '2025-02-11 09:00:00+00', '2025-03-14 15:00:00+00'),
    ('0062', false, '0012', 'Existing Customer - Upgrade', 'Closed Lost', 7000.25, '2025-03-20', true, false, '0051',
     '2025-03-02 10:00:00+00', '2025-03-20 12:00:00+00'),
    ('0063', false, '0013', null, 'Prospecting', 450, '2025-06-30', false, false, '0051', '2025-03-25 10:00:00+00',
     '2025-03-25 10:00:00+00');
create table airbyte."OpportunityHistory" (
    "Id" varchar, "OpportunityId" varchar, "StageName" varchar, "CreatedById" varchar, "CreatedDate" timestamptz,
    "SystemModstamp" timestamptz
);
insert into airbyte."OpportunityHistory" values
    ('0081', '0061', 'Prospecting', '0052', '2025-02-11 09:00:00+00', '2025-02-11 09:00:00+00'),
    ('0082', '0061', 'Closed Won', '0051', '2025-03-14 15:00:00+00', '2025-03-14 15:00:00+00');
create table airbyte."UserRole" ("Id" varchar, "Name" varchar);
insert into airbyte."UserRole" values ('00E1', 'Account Executive EMEA');
create table airbyte."User" (
    "Id" varchar, "Name" varchar, "UserType" varchar, "UserRoleId" varchar, "Title" varchar, "Department" varchar,
    "Division" varchar, "IsActive" boolean, "LastModifiedDate" timestamptz, "SystemModstamp" timestamptz
);
insert into airbyte."User" values
    ('0051', 'Sam Seller', 'Standard', '00E1', null, 'Atlas', 'EMEA', true, '2024-06-01 08:00:00+00',
     '2024-06-01 08:00:00+00'),
    ('0052', 'Dora Develop', 'Standard', null, 'Sales Development Representative', 'Boreal', 'EMEA', true,
     '2024-06-01 08:00:00+00', '2024-06-01 08:00:00+00');

create table airbyte.orders (
    id bigint, name varchar, email varchar, created_at timestamptz, currency varchar, financial_status varchar,
    subtotal_price decimal(38, 9), total_tax decimal(38, 9), total_price decimal(38, 9), total_discounts decimal(38, 9),
    cancelled_at timestamptz, source_name varchar, test boolean, billing_address json, shipping_address json,
    line_items json, shipping_lines json, deleted_at timestamptz
);
insert into airbyte.orders values
    (5001, '#1001', 'ada@example.com', '2025-03-01 10:00:00+00', 'EUR', 'paid', 45, 9.2, 54.2, 5, null, 'web', false,
     '{"name": "Ada Example", "country_code": "PL"}', '{"country_code": "PL"}',
     '[{"id": 7002, "name": "Pin", "price": 9.00, "quantity": 2, "sku": "PIN", "taxable": true, "total_discount": 0},
       {"id": 7001, "name": "Scarf", "price": 32.00, "quantity": 1, "sku": "", "taxable": true, "total_discount": 5.00}]',
     '[{"price": 4.00, "discounted_price": 0.00}]', null),
    (5002, '#1002', 'bo@example.com', '2025-03-02 10:00:00+00', 'EUR', 'partially_refunded', 30, 0, 30, 0, null, 'pos', false,
     '{"name": "Bo Placeholder", "country_code": "DE"}', null,
     '[{"id": 7003, "name": "Poster", "price": 30, "quantity": 1, "sku": "POSTER", "taxable": true, "total_discount": 0}]',
     '[]', null),
    (5003, '#1003', 'test@example.com', '2025-03-03 10:00:00+00', 'EUR', 'paid', 999, 0, 999, 0, null, 'web', true,
     '{"name": "Test Order", "country_code": "PL"}', '{"country_code": "PL"}',
     '[{"id": 7004, "name": "Garden kit", "price": 999, "quantity": 1, "sku": "KIT", "taxable": true, "total_discount": 0}]',
     null, null),
    (5004, '#1004', 'cy@example.com', '2025-03-04 10:00:00+00', 'EUR', 'paid', 80, 0, 80, 0, null, 'web', false,
     '{"name": "Cy Example", "country_code": "PL"}', '{"country_code": "PL"}',
     '[{"id": 7005, "name": "Bag", "price": 80, "quantity": 1, "sku": "BAG", "taxable": true, "total_discount": 0}]',
     null, null),
    (5005, '#1005', 'gone@example.com', '2025-03-04 10:00:00+00', 'EUR', 'paid', 8, 0, 8, 0, null, 'web', false, null, null,
     '[{"id": 7006, "name": "Bag", "price": 8, "quantity": 1}]', null, '2025-03-05 10:00:00+00');
create table airbyte.transactions (order_id bigint, kind varchar, status varchar, amount decimal(38, 9), gateway varchar);
insert into airbyte.transactions values
    (5001, 'SALE', 'FAILURE', 54.2, 'paypal'), (5001, 'SALE', 'SUCCESS', 54.2, 'shopify_payments'),
    (5002, 'sale', 'success', 30, 'shopify_payments'), (5002, 'refund', 'success', 12.5, 'shopify_payments'),
    (5002, 'refund', 'failure', 30, 'shopify_payments'), (5004, 'sale', 'success', 80, 'shopify_payments');

create table airbyte.charges (
    id varchar, amount bigint, amount_refunded bigint, currency varchar, status varchar, captured boolean,
    refunded boolean, livemode boolean, customer varchar, receipt_email varchar, created bigint, billing_details json,
    payment_method_details json
);
insert into airbyte.charges values
    ('ch_1', 10000, 0, 'eur', 'succeeded', true, false, true, 'cus_1', null, 1740823200, '{"name": "Ada Example"}',
     '{"type": "card", "card": {"country": "PL"}}'),
    ('ch_2', 5500, 0, 'eur', 'failed', false, false, true, 'cus_1', null, 1740823500, null, null),
    ('ch_3', 8000, 8000, 'eur', 'succeeded', true, true, true, null, 'dee@example.com', 1740913200, '{"name": null}', null),
    ('ch_4', 1999, 0, 'eur', 'succeeded', false, false, true, 'cus_1', null, 1740996000, null, null),
    ('ch_5', 7000, 0, 'eur', 'succeeded', true, false, false, 'cus_1', null, 1740999600, null, null),
    ('ch_6', 1999, 999, 'eur', 'succeeded', true, false, true, 'cus_1', null, 1741078800, null, null),
    ('ch_7', 5000, 0, 'jpy', 'succeeded', true, false, true, 'cus_1', null, 1741082400, null, null);
create table airbyte.customers (id varchar, email varchar, is_deleted boolean);
insert into airbyte.customers values ('cus_1', 'ada@example.com', true);
create table airbyte.refunds (id varchar, charge varchar, created timestamptz, status varchar);
insert into airbyte.refunds values
    ('re_1', 'ch_3', '2025-03-05 08:00:00+00', 'succeeded'), ('re_2', 'ch_6', '2025-03-06 08:00:00+00', 'succeeded'),
    ('re_3', 'ch_1', '2025-03-07 08:00:00+00', 'failed');
