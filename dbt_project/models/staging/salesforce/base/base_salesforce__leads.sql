-- Every delivered row of salesforce.leads, typed; one row per delivered row, unreadable ones with the reason.
-- Columns that no model needs stay in raw, above all names and phone numbers.
-- Reports write dates as their user's locale does.
{%- set dates = var('date_formats')['salesforce'] %}
{{ delivery_log('salesforce', 'leads', [
    ['Id', 'text', {'required': true}],
    ['IsDeleted', 'boolean'],
    ['Email', 'text'],
    ['LeadSource', 'text'],
    ['OwnerId', 'text'],
    [quoted('Lead Owner'), 'text'],
    [quoted('Owner Alias'), 'text'],
    ['ConvertedDate', 'date', {'format': dates}],
    ['ConvertedOpportunityId', 'text'],
    ['CreatedDate', 'timestamp', {'required': true, 'time_zone': var('time_zone'), 'format': dates}],
    ['SystemModstamp', 'timestamp'],
]) }}
