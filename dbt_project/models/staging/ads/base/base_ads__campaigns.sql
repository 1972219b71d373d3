-- Every delivered row of ads.campaigns, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('ads', 'campaigns', [
    ['campaign_id', 'text', {'required': true}],
    ['channel', 'text'],
    ['platform', 'text'],
    ['name', 'text'],
    ['is_paid', 'boolean'],
]) }}
