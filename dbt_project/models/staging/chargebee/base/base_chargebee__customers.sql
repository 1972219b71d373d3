-- Every delivered row of chargebee.customers, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('chargebee', 'customers', [
    ['id', 'text', {'required': true}],
    ['email', 'text'],
    ['first_name', 'text'],
    ['last_name', 'text'],
    ['company', 'text'],
    ['country', 'text'],
    ['updated_at', 'integer'],
]) }}
