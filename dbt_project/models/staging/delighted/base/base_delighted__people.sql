-- Every delivered row of delighted.people, typed; one row per delivered row, unreadable ones with the reason.
-- Columns that no model needs stay in raw, above all names and phone numbers.
{{ delivery_log('delighted', 'people', [
    ['id', 'text', {'required': true}],
    ['email', 'text'],
]) }}
