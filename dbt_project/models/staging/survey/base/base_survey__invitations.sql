-- Every delivered row of survey.invitations, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('survey', 'invitations', [
    ['invitation_id', 'text', {'required': true}],
    ['customer_id', 'text', {'required': true}],
    ['sent_at', 'timestamp', {'required': true}],
    ['channel', 'text'],
]) }}
