-- Every delivered row of meta_ads_manager.campaign_days, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('meta_ads_manager', 'campaign_days', [
    ['Day', 'date'],
    [quoted('Reporting starts'), 'date'],
    [quoted('Reporting ends'), 'date'],
    [quoted('Campaign ID'), 'text'],
    [quoted('Campaign name'), 'text', {'required': true}],
    [quoted('Currency of amounts'), 'text'],
    ['Currency', 'text'],
    [quoted('Amount spent'), 'decimal', {'decimal': 'either'}],
    ['Impressions', 'integer', {'thousands': 'any'}],
    [quoted('Clicks (all)'), 'integer', {'thousands': 'any'}],
    [quoted('Link clicks'), 'integer', {'thousands': 'any'}],
    ['Purchases', 'decimal', {'decimal': 'either'}],
    [quoted('Website purchases'), 'decimal', {'decimal': 'either'}],
    [quoted('Purchases conversion value'), 'decimal', {'decimal': 'either'}],
    [quoted('Website purchases conversion value'), 'decimal', {'decimal': 'either'}],
]) }}
