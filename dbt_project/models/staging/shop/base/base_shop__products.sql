-- Every delivered row of shop.products, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('shop', 'products', [
    ['product_id', 'text', {'required': true}],
    ['name', 'text'],
    ['category', 'text'],
    ['unit_cost', 'decimal'],
    ['updated_at', 'timestamp', {'required': true}],
]) }}
