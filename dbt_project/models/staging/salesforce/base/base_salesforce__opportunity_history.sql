-- Every delivered row of salesforce.opportunity_history, typed; one row per delivered row, unreadable ones with the reason.
-- What no model needs, names and phone numbers above all, stays in raw.
{{ typed_deliveries('salesforce', 'opportunity_history', [
    ['Id', 'text', {'required': true}],
    ['OpportunityId', 'text', {'required': true}],
    ['StageName', 'text', {'required': true}],
    ['CreatedById', 'text'],
    ['CreatedDate', 'timestamp', {'required': true}],
    ['SystemModstamp', 'timestamp'],
    ['IsDeleted', 'boolean'],
]) }}
