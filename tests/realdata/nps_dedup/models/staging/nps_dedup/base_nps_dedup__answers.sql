-- Every delivered answer to a question, typed; one row per delivered row.
{{ delivery_log('nps_dedup', 'answers', [
    ['"Question Number"', 'text', {'required': true}],
    ['Answer', 'text'],
    ['Country', 'text'],
    ['Store', 'text'],
    ['Name', 'text', {'required': true}],
    ['Response', 'text', {'required': true}],
]) }}
