-- Every delivered row of crm.opportunities, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('crm', 'opportunities', [
    ['id', 'text', {'required': true}],
    ['customer_id', 'text'],
    ['lead_id', 'text'],
    ['owner_id', 'text'],
    ['sdr_id', 'text'],
    ['type', 'text'],
    ['stage', 'text', {'required': true}],
    ['amount', 'decimal'],
    ['currency', 'text'],
    ['created_at', 'timestamp', {'required': true}],
    ['expected_close_date', 'date'],
    ['closed_at', 'timestamp'],
    ['is_won', 'boolean'],
    ['is_closed', 'boolean'],
    ['loss_reason', 'text'],
    ['updated_at', 'timestamp', {'required': true}],
]) }}
