-- Every delivered row of magento.orders, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('magento', 'orders', [
    ['entity_id', 'text', {'required': true}],
    ['created_at', 'timestamp', {'required': true}],
    ['updated_at', 'timestamp'],
    ['state', 'text', {'required': true}],
    ['order_currency_code', 'text', {'required': true}],
    ['subtotal', 'decimal', {'required': true}],
    ['discount_amount', 'decimal'],
    ['discount_tax_compensation_amount', 'decimal'],
    ['shipping_discount_amount', 'decimal'],
    ['customer_email', 'text'],
    ['customer_firstname', 'text'],
    ['customer_lastname', 'text'],
    ['country_id', 'text'],
]) }}
