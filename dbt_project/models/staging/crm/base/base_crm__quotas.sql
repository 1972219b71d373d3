-- Every delivered row of crm.quotas, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('crm', 'quotas', [
    ['rep_id', 'text', {'required': true}],
    ['period_month', 'date', {'required': true}],
    ['kpi_id', 'text', {'required': true}],
    ['target_value', 'decimal', {'required': true}],
    ['currency', 'text'],
]) }}
