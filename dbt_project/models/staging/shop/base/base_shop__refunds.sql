-- Every delivered row of shop.refunds, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('shop', 'refunds', [
    ['refund_id', 'text', {'required': true}],
    ['order_id', 'text', {'required': true}],
    ['order_item_id', 'text'],
    ['refunded_at', 'timestamp', {'required': true}],
    ['amount', 'decimal', {'decimal': ',', 'required': true}],
    ['currency', 'text', {'required': true}],
    ['reason', 'text'],
]) }}
