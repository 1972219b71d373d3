-- Every delivered row of finance.costs, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('finance', 'costs', [
    ['cost_month', 'date', {'required': true}],
    ['cost_type', 'text', {'required': true}],
    ['amount', 'decimal', {'required': true}],
    ['currency', 'text', {'required': true}],
]) }}
