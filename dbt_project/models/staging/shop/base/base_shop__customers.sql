-- Every delivered row of shop.customers, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('shop', 'customers', [
    ['customer_id', 'text', {'required': true}],
    ['email', 'text'],
    ['full_name', 'text'],
    ['segment', 'text'],
    ['country', 'text'],
    ['region', 'text'],
    ['created_at', 'timestamp', {'required': true}],
    ['updated_at', 'timestamp', {'required': true}],
]) }}
