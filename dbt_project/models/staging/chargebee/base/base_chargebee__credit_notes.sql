-- Every delivered row of chargebee.credit_notes, typed; one row per delivered row, unreadable ones with the reason.
{{ delivery_log('chargebee', 'credit_notes', [
    ['id', 'text', {'required': true}],
    ['customer_id', 'text'],
    ['reference_invoice_id', 'text'],
    ['status', 'text', {'required': true}],
    ['date', 'integer', {'required': true}],
    ['currency_code', 'text', {'required': true}],
    ['total', 'integer', {'required': true}],
    ['create_reason_code', 'text'],
    ['reason_code', 'text'],
    ['updated_at', 'integer'],
    ['deleted', 'boolean'],
]) }}
