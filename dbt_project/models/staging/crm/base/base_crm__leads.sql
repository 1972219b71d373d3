-- Every delivered row of crm.leads, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('crm', 'leads', [
    ['id', 'text', {'required': true}],
    ['email', 'text'],
    ['created_at', 'timestamp', {'required': true}],
    ['source', 'text'],
    ['campaign_id', 'text'],
    ['sdr_id', 'text'],
    ['mql_at', 'timestamp'],
    ['sql_at', 'timestamp'],
    ['converted_at', 'timestamp'],
    ['opportunity_id', 'text'],
    ['is_deleted', 'boolean'],
    ['updated_at', 'timestamp', {'required': true}],
]) }}
