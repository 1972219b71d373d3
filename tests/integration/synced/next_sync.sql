-- What the next sync changes: a deal moved, and a deal, an opportunity and an order were deleted.
update hubspot.deal set deal_pipeline_stage_id = '771', property_closedate = '2025-04-01 12:00:00+00' where deal_id = 9003;
update hubspot.deal_stage set _fivetran_active = false where deal_id = 9003;
insert into hubspot.deal_stage values (9003, '771', '2025-04-01 12:00:00+00', true);
update hubspot.deal set _fivetran_deleted = true where deal_id = 9004;
update salesforce.opportunity set _fivetran_deleted = true where id = '0063';
update shopify."order" set _fivetran_deleted = true where id = 5004;
update shopify."order" set financial_status = 'refunded' where id = 5002;
insert into shopify.transaction values (5002, 'refund', 'success', 17.5, 'shopify_payments');
