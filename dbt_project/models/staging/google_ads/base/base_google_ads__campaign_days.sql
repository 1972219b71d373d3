-- Every delivered row of google_ads.campaign_days, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('google_ads', 'campaign_days', [
    [quoted('segments.date'), 'date', {'required': true}],
    [quoted('campaign.id'), 'text', {'required': true}],
    [quoted('campaign.name'), 'text'],
    [quoted('campaign.advertising_channel_type'), 'text'],
    [quoted('customer.currency_code'), 'text', {'required': true}],
    [quoted('metrics.impressions'), 'integer'],
    [quoted('metrics.clicks'), 'integer'],
    [quoted('metrics.cost_micros'), 'integer', {'required': true}],
    [quoted('metrics.conversions'), 'decimal'],
    [quoted('metrics.conversions_value'), 'decimal'],
]) }}
