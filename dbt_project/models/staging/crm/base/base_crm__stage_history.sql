-- Every delivered row of crm.stage_history, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('crm', 'stage_history', [
    ['opportunity_id', 'text', {'required': true}],
    ['stage', 'text', {'required': true}],
    ['changed_at', 'timestamp', {'required': true}],
    ['changed_by', 'text'],
    ['owner_id', 'text'],
]) }}
