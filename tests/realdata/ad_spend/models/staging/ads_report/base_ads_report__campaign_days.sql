-- Every delivered campaign day, typed; one row per delivered row.
{{ delivery_log('ads_report', 'campaign_days', [
    ['id', 'text', {'required': true}],
    ['c_date', 'date', {'required': true, 'format': 'mm/dd/yy'}],
    ['campaign_name', 'text', {'required': true}],
    ['category', 'text'],
    ['campaign_id', 'text', {'required': true}],
    ['impressions', 'integer'],
    ['mark_spent', 'decimal', {'required': true, 'decimal': '.'}],
    ['clicks', 'integer'],
    ['leads', 'integer', {'required': true}],
    ['orders', 'integer', {'required': true}],
    ['revenue', 'decimal', {'required': true, 'decimal': '.'}],
]) }}
