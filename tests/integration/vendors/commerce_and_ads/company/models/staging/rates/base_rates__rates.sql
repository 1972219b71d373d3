-- Every delivered rate, typed; one row per delivered row.
{{ delivery_log('rates', 'rates', [
    ['rate_date', 'date', {'required': true}],
    ['from_currency', 'text', {'required': true}],
    ['to_currency', 'text', {'required': true}],
    ['rate', 'decimal', {'required': true}],
]) }}
