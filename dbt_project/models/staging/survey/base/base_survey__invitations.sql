-- Every delivered row of survey.invitations, typed; one row per delivered row, unreadable ones with the reason.
{{ typed_deliveries('survey', 'invitations', [
    ['invitation_id', 'text', {'required': true}],
    ['customer_id', 'text', {'required': true}],
    ['sent_at', 'timestamp', {'required': true}],
    ['channel', 'text'],
]) }}
