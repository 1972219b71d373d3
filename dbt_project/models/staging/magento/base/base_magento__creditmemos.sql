-- Every delivered row of magento.creditmemos, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('magento', 'creditmemos', [
    ['entity_id', 'text', {'required': true}],
    ['order_id', 'text', {'required': true}],
    ['created_at', 'timestamp', {'required': true}],
    ['updated_at', 'timestamp'],
    ['state', 'integer'],
    ['order_currency_code', 'text', {'required': true}],
    ['subtotal', 'decimal', {'required': true}],
    ['discount_amount', 'decimal'],
    ['discount_tax_compensation_amount', 'decimal'],
    ['adjustment_positive', 'decimal'],
    ['adjustment_negative', 'decimal'],
]) }}
