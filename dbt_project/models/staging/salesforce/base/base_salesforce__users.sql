-- Every delivered row of salesforce.users, typed; one row per delivered row, unreadable ones with the reason.
-- Columns that no model needs stay in raw, above all names and phone numbers.
{{ delivery_log('salesforce', 'users', [
    ['Id', 'text', {'required': true}],
    ['Name', 'text'],
    ['UserType', 'text'],
    [quoted('UserRole.Name'), 'text'],
    ['Title', 'text'],
    ['Department', 'text'],
    ['Division', 'text'],
    ['ManagerId', 'text'],
    ['IsActive', 'boolean', {'required': true}],
    ['LastModifiedDate', 'timestamp', {'required': true}],
    ['SystemModstamp', 'timestamp', {'required': true}],
]) }}
