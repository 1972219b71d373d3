-- Every delivered row of delighted.people, typed; one row per delivered row, unreadable ones with the reason.
-- What no model needs, names and phone numbers above all, stays in raw.
{{ typed_deliveries('delighted', 'people', [
    ['id', 'text', {'required': true}],
    ['email', 'text'],
]) }}
