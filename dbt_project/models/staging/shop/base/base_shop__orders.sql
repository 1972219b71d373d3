-- Every delivered row of shop.orders, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('shop', 'orders', [
    ['order_id', 'text', {'required': true}],
    ['customer_id', 'text', {'required': true}],
    ['ordered_at', 'timestamp', {'required': true}],
    ['status', 'text', {'required': true}],
    ['currency', 'text', {'required': true}],
    ['channel', 'text'],
    ['region', 'text'],
    ['sales_rep_id', 'text'],
    ['updated_at', 'timestamp', {'required': true}],
    ['is_deleted', 'boolean'],
]) }}
