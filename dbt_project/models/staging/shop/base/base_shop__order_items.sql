-- Every delivered row of shop.order_items, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('shop', 'order_items', [
    ['order_item_id', 'text', {'required': true}],
    ['order_id', 'text', {'required': true}],
    ['product_id', 'text'],
    ['quantity', 'integer', {'required': true}],
    ['unit_price', 'decimal', {'decimal': ',', 'required': true}],
    ['discount_amount', 'decimal', {'decimal': ','}],
    ['tax_amount', 'decimal', {'decimal': ','}],
    ['unit_cost', 'decimal', {'decimal': ','}],
]) }}
