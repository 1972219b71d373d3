-- Every delivered answer, typed; one row per delivered row.
{{ typed_deliveries('nps_airlines', 'answers', [
    ['Airline', 'text', {'required': true}],
    ['CustomerID', 'text', {'required': true}],
    ['"How likely are you to recommend this airline?"', 'integer', {'required': true}],
]) }}
