-- Every delivered row of salesforce.users, typed; one row per delivered row, unreadable ones with the reason.
-- What no model needs, names and phone numbers above all, stays in raw.
{{ typed_deliveries('salesforce', 'users', [
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
