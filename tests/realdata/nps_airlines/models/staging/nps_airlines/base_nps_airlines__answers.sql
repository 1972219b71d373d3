-- Every delivered answer, typed; one row per delivered row.
{{ delivery_log('nps_airlines', 'answers', [
    ['Airline', 'text', {'required': true}],
    ['CustomerID', 'text', {'required': true}],
    ['"How likely are you to recommend this airline?"', 'integer', {'required': true}],
]) }}
