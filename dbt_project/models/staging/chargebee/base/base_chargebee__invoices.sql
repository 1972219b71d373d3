-- Every delivered row of chargebee.invoices, typed; one row per delivered row, unreadable ones with the reason.
-- Columns that no model needs stay in raw, above all addresses and the texts of lines.
{{ delivery_log('chargebee', 'invoices', [
    ['id', 'text', {'required': true}],
    ['customer_id', 'text', {'required': true}],
    ['status', 'text', {'required': true}],
    ['date', 'integer', {'required': true}],
    ['currency_code', 'text', {'required': true}],
    ['total', 'integer', {'required': true}],
    ['tax', 'integer', {'required': true}],
    ['updated_at', 'integer'],
    ['deleted', 'boolean'],
]) }}
