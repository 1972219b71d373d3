-- Every delivered row of hubspot.contacts, typed; one row per delivered row, unreadable ones with the reason.
-- Columns that no model needs stay in raw, above all names and phone numbers.
{{ delivery_log('hubspot', 'contacts', [
    [quoted('Record ID'), 'text', {'required': true}],
    ['Email', 'text'],
    [quoted('Contact owner'), 'text'],
    [quoted('Create Date'), 'timestamp', {'required': true, 'time_zone': var('time_zone')}],
    [quoted('Last Modified Date'), 'timestamp', {'time_zone': var('time_zone')}],
    [quoted('Lifecycle Stage'), 'text'],
    [quoted('Lead Source'), 'text'],
    [quoted('Original Source'), 'text'],
    [quoted('Became a Marketing Qualified Lead Date'), 'timestamp', {'time_zone': var('time_zone')}],
    [quoted('Became a Sales Qualified Lead Date'), 'timestamp', {'time_zone': var('time_zone')}],
]) }}
