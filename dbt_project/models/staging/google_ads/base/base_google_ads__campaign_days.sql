-- Every delivered row of google_ads.campaign_days, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('google_ads', 'campaign_days', [
    [quoted('segments.date'), 'date', {'required': true}],
    [quoted('campaign.id'), 'text', {'required': true}],
    [quoted('campaign.name'), 'text'],
    [quoted('campaign.advertising_channel_type'), 'text'],
    [quoted('customer.currency_code'), 'text', {'required': true}],
    [quoted('metrics.impressions'), 'integer', {'thousands': 'any'}],
    [quoted('metrics.clicks'), 'integer', {'thousands': 'any'}],
    [quoted('metrics.cost_micros'), 'integer'],
    ['Cost', 'decimal', {'decimal': 'either'}],
    [quoted('metrics.conversions'), 'decimal', {'decimal': 'either'}],
    [quoted('metrics.conversions_value'), 'decimal', {'decimal': 'either'}],
]) }}
