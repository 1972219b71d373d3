-- Every delivered row of finance.fx_rates, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('finance', 'fx_rates', [
    ['rate_date', 'date', {'required': true}],
    ['from_currency', 'text', {'required': true}],
    ['to_currency', 'text', {'required': true}],
    ['rate', 'decimal', {'required': true}],
]) }}
