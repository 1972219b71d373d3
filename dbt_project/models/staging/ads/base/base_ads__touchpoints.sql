-- Every delivered row of ads.touchpoints, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('ads', 'touchpoints', [
    ['touchpoint_id', 'text', {'required': true}],
    ['lead_id', 'text'],
    ['customer_id', 'text'],
    ['campaign_id', 'text'],
    ['channel', 'text'],
    ['touched_at', 'timestamp', {'required': true}],
]) }}
