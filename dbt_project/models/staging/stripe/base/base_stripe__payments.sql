-- Every delivered row of stripe.payments, typed; one row per delivered charge, unreadable ones with the reason.
-- The dashboard writes a decimal point or comma, and separates thousands or not, depending on its user's language.
{{ delivery_log('stripe', 'payments', [
    ['id', 'text', {'required': true}],
    [quoted('Created date (UTC)'), 'timestamp'],
    [quoted('Created (UTC)'), 'timestamp'],
    ['Created', 'timestamp'],
    ['Amount', 'decimal', {'required': true, 'decimal': 'either'}],
    [quoted('Amount Refunded'), 'decimal', {'decimal': 'either'}],
    [quoted('Refunded date (UTC)'), 'timestamp'],
    [quoted('Disputed Amount'), 'decimal', {'decimal': 'either'}],
    [quoted('Dispute Status'), 'text'],
    [quoted('Dispute Date (UTC)'), 'timestamp'],
    ['Currency', 'text', {'required': true}],
    ['Mode', 'text'],
    ['Status', 'text', {'required': true}],
    ['Captured', 'boolean'],
    [quoted('Customer ID'), 'text'],
    [quoted('Customer Email'), 'text'],
    [quoted('Card Name'), 'text'],
    [quoted('Card Issue Country'), 'text'],
]) }}
