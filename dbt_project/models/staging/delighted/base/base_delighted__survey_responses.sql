-- Every delivered row of delighted.survey_responses, typed; one row per delivered row, unreadable ones with the reason.
-- Columns that no model needs stay in raw, above all names and phone numbers.
{{ delivery_log('delighted', 'survey_responses', [
    ['id', 'text', {'required': true}],
    ['person', 'text', {'required': true}],
    ['survey_type', 'text', {'required': true}],
    ['score', 'integer', {'required': true}],
    ['created_at', 'integer', {'required': true}],
    ['updated_at', 'integer'],
]) }}
