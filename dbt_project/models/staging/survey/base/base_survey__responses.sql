-- Every delivered row of survey.responses, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('survey', 'responses', [
    ['response_id', 'text', {'required': true}],
    ['invitation_id', 'text'],
    ['customer_id', 'text', {'required': true}],
    ['score', 'integer', {'required': true}],
    ['responded_at', 'timestamp', {'required': true}],
]) }}
