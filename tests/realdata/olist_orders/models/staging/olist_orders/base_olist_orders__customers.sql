-- Every delivered row of olist_orders.customers, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('olist_orders', 'customers', [
    ['customer_id', 'text', {'required': true}],
    ['customer_unique_id', 'text', {'required': true}],
    ['customer_state', 'text'],
]) }}
