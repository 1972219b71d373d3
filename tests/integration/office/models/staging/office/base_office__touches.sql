-- Every delivered row of office.touches, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('office', 'touches', [
    ['touch_id', 'text', {'required': true}],
    ['customer', 'text'],
    ['channel', 'text'],
    ['touched_at', 'timestamp', {'required': true}],
]) }}
