-- Every delivered row of xero.invoices, typed; one row per delivered line, unreadable ones with the reason.
{{ delivery_log('xero', 'invoices', [
    ['InvoiceNumber', 'text', {'required': true}],
    ['InvoiceDate', 'date', {'required': true, 'format': var('date_formats')['xero'] or 'dd/mm/yyyy'}],
    ['Type', 'text', {'required': true}],
    ['Status', 'text', {'required': true}],
    ['Currency', 'text', {'required': true}],
    ['Total', 'decimal', {'required': true, 'thousands': ','}],
    ['LineAmount', 'decimal', {'thousands': ','}],
    ['TaxAmount', 'decimal', {'thousands': ','}],
    ['Quantity', 'decimal', {'thousands': ','}],
    ['UnitAmount', 'decimal', {'thousands': ','}],
    ['InventoryItemCode', 'text'],
    ['ContactName', 'text'],
    ['EmailAddress', 'text'],
    ['POCountry', 'text'],
]) }}
