-- Every delivered row of pipedrive.deals, typed; one row per delivered row, unreadable ones with the reason.
-- Columns that no model needs stay in raw, above all names and phone numbers.
{{ delivery_log('pipedrive', 'deals', [
    [quoted('Deal - ID'), 'text', {'required': true}],
    [quoted('Deal - Owner'), 'text'],
    [quoted('Deal - Value'), 'decimal'],
    [quoted('Deal - Currency of value'), 'text'],
    [quoted('Deal - Stage'), 'text', {'required': true}],
    [quoted('Deal - Status'), 'text', {'required': true}],
    [quoted('Deal - Deal created'), 'timestamp', {'required': true, 'time_zone': var('time_zone')}],
    [quoted('Deal - Update time'), 'timestamp', {'time_zone': var('time_zone')}],
    [quoted('Deal - Last stage change'), 'timestamp', {'time_zone': var('time_zone')}],
    [quoted('Deal - Won time'), 'timestamp', {'time_zone': var('time_zone')}],
    [quoted('Deal - Lost time'), 'timestamp', {'time_zone': var('time_zone')}],
    [quoted('Deal - Lost reason'), 'text'],
    [quoted('Deal - Expected close date'), 'date'],
    [quoted('Deal - Organization'), 'text'],
    [quoted('Deal - Contact person'), 'text'],
]) }}
