-- Every delivered row of hubspot.deals, typed; one row per delivered row, unreadable ones with the reason.
-- Columns that no model needs stay in raw, above all names and phone numbers.
{{ delivery_log('hubspot', 'deals', [
    [quoted('Record ID'), 'text', {'required': true}],
    [quoted('Deal Stage'), 'text', {'required': true}],
    ['Amount', 'decimal'],
    [quoted('Deal owner'), 'text'],
    [quoted('Close Date'), 'timestamp', {'time_zone': var('time_zone')}],
    [quoted('Create Date'), 'timestamp', {'required': true, 'time_zone': var('time_zone')}],
    [quoted('Associated Company IDs'), 'text'],
    [quoted('Associated Company IDs (Primary)'), 'text'],
    [quoted('Associated Contact IDs'), 'text'],
    [quoted('Date entered current stage'), 'timestamp', {'time_zone': var('time_zone')}],
    ['Currency', 'text'],
    [quoted('Closed Lost Reason'), 'text'],
    [quoted('Is Closed Won'), 'boolean'],
    [quoted('Is closed lost'), 'boolean'],
    [quoted('Is Deal Closed?'), 'boolean'],
    [quoted('Is closed (numeric)'), 'integer'],
]) }}
