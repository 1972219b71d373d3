-- Every delivered row of salesforce.opportunity_history, typed; one row per delivered row, unreadable ones with the reason.
-- Columns that no model needs stay in raw, above all names and phone numbers.
{{ delivery_log('salesforce', 'opportunity_history', [
    ['Id', 'text', {'required': true}],
    ['OpportunityId', 'text', {'required': true}],
    ['StageName', 'text', {'required': true}],
    ['CreatedById', 'text'],
    ['CreatedDate', 'timestamp', {'required': true}],
    ['SystemModstamp', 'timestamp'],
    ['IsDeleted', 'boolean'],
]) }}
