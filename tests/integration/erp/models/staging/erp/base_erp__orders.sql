-- Every fetched version of an order, typed; one row per fetched row.
{{ delivery_log('erp', 'orders', [
    ['id', 'text', {'required': true}],
    ['customer', 'text', {'required': true}],
    ['placed_at', 'timestamp', {'required': true}],
    ['state', 'text'],
    ['total', 'decimal', {'required': true}],
    ['updated_at', 'timestamp', {'required': true}],
]) }}
