-- Every delivered purchase, typed; one row per delivered row.
{{ delivery_log('cdnow', 'purchases', [
    ['customer_id', 'text', {'required': true}],
    ['date', 'date', {'required': true, 'format': 'yyyymmdd'}],
    ['number_of_cds', 'integer', {'required': true}],
    ['dollar_value', 'decimal', {'required': true}],
]) }}
