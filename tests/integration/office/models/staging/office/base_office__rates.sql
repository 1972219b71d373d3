-- Every delivered row of office.rates, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('office', 'rates', [
    ['day', 'date', {'required': true}],
    ['currency', 'text', {'required': true}],
    ['rate', 'decimal', {'required': true}],
]) }}
