-- Every delivered row of olist_orders.payments, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('olist_orders', 'payments', [
    ['order_id', 'text', {'required': true}],
    ['payment_sequential', 'integer', {'required': true}],
    ['payment_value', 'decimal', {'required': true}],
]) }}
