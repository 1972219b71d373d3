-- Every delivered row of ads.spend, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('ads', 'spend', [
    ['spend_date', 'date', {'required': true}],
    ['campaign_id', 'text', {'required': true}],
    ['impressions', 'integer'],
    ['clicks', 'integer'],
    ['spend', 'decimal', {'required': true}],
    ['currency', 'text', {'required': true}],
]) }}
