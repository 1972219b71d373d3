-- Every delivered row of typeform.responses, typed; one row per delivered row, unreadable ones with the reason.
-- Columns that no model needs stay in raw, above all names and phone numbers.
{{ delivery_log('typeform', 'responses', [
    [quoted('#'), 'text', {'required': true}],
    [quoted('How likely are you to recommend us to a friend or colleague?'), 'integer'],
    ['email', 'text'],
    [quoted('Response Type'), 'text'],
    [quoted('Submit Date (UTC)'), 'timestamp'],
]) }}
