-- Every delivered row of qualtrics.responses, typed; one row per delivered response, unreadable ones with the reason.
-- Columns that no model needs stay in raw, above all the answers to other questions.
{{ delivery_log('qualtrics', 'responses', [
    ['ResponseId', 'text', {'required': true}],
    ['Status', 'text', {'required': true}],
    ['RecordedDate', 'timestamp', {'required': true, 'time_zone': var('time_zone')}],
    ['NPS', 'integer'],
    ['RecipientEmail', 'text'],
    ['ExternalReference', 'text'],
]) }}
