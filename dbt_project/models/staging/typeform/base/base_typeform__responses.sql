-- Every delivered row of typeform.responses, typed; one row per delivered row, unreadable ones with the reason.
-- What no model needs, names and phone numbers above all, stays in raw.
{{ typed_deliveries('typeform', 'responses', [
    [quoted('#'), 'text', {'required': true}],
    [quoted('How likely are you to recommend us to a friend or colleague?'), 'integer'],
    ['email', 'text'],
    [quoted('Response Type'), 'text'],
    [quoted('Submit Date (UTC)'), 'timestamp'],
]) }}
