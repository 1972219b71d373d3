-- Every delivered row of olist_orders.orders, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('olist_orders', 'orders', [
    ['order_id', 'text', {'required': true}],
    ['customer_id', 'text', {'required': true}],
    ['order_status', 'text', {'required': true}],
    ['order_purchase_timestamp', 'timestamp', {'required': true, 'time_zone': 'America/Sao_Paulo'}],
]) }}
