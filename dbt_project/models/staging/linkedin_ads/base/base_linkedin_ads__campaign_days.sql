-- Every delivered row of linkedin_ads.campaign_days, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('linkedin_ads', 'campaign_days', [
    [quoted('Start Date (in UTC)'), 'date', {'required': true, 'format': 'mm/dd/yyyy'}],
    [quoted('End Date (in UTC)'), 'date', {'format': 'mm/dd/yyyy'}],
    [quoted('Campaign ID'), 'text', {'required': true}],
    [quoted('Campaign Name'), 'text'],
    [quoted('Ad Set ID'), 'text'],
    [quoted('Ad Set Name'), 'text'],
    ['Currency', 'text', {'required': true}],
    [quoted('Total Spent'), 'decimal', {'required': true, 'thousands': ','}],
    ['Impressions', 'integer', {'ignore': [',']}],
    ['Clicks', 'integer', {'ignore': [',']}],
]) }}
