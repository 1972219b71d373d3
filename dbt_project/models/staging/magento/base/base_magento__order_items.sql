-- Every delivered row of magento.order_items, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('magento', 'order_items', [
    ['item_id', 'text', {'required': true}],
    ['order_id', 'text', {'required': true}],
    ['parent_item_id', 'text'],
    ['sku', 'text'],
    ['name', 'text'],
    ['qty_ordered', 'decimal', {'required': true}],
    ['row_total', 'decimal', {'required': true}],
    ['tax_amount', 'decimal'],
    ['updated_at', 'timestamp'],
]) }}
