-- Every delivered row of office.reps, typed; one row per delivered row, unreadable ones with the reason.
{{ typed_deliveries('office', 'reps', [
    ['rep', 'text', {'required': true}],
    ['team', 'text'],
]) }}
