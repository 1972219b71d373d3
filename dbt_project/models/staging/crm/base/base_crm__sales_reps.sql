-- Every delivered row of crm.sales_reps, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('crm', 'sales_reps', [
    ['rep_id', 'text', {'required': true}],
    ['name', 'text'],
    ['role', 'text'],
    ['team', 'text'],
    ['region', 'text'],
    ['manager_id', 'text'],
    ['hired_on', 'date'],
    ['left_on', 'date'],
    ['office', 'text'],
]) }}
