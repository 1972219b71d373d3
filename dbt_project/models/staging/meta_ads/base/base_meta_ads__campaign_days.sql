-- Every delivered row of meta_ads.campaign_days, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('meta_ads', 'campaign_days', [
    ['date_start', 'date', {'required': true}],
    ['date_stop', 'date', {'required': true}],
    ['campaign_id', 'text', {'required': true}],
    ['campaign_name', 'text'],
    ['account_currency', 'text', {'required': true}],
    ['spend', 'decimal', {'required': true}],
    ['impressions', 'integer'],
    ['clicks', 'integer'],
]) }}
