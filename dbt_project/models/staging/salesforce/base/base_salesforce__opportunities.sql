-- Every delivered row of salesforce.opportunities, typed; one row per delivered row, unreadable ones with the reason.
-- Columns that no model needs stay in raw, above all names and phone numbers.
{{ delivery_log('salesforce', 'opportunities', [
    ['Id', 'text', {'required': true}],
    ['IsDeleted', 'boolean'],
    ['AccountId', 'text'],
    ['Type', 'text'],
    ['StageName', 'text', {'required': true}],
    ['Amount', 'decimal'],
    ['CloseDate', 'date', {'required': true}],
    ['IsClosed', 'boolean', {'required': true}],
    ['IsWon', 'boolean', {'required': true}],
    ['OwnerId', 'text'],
    ['CreatedDate', 'timestamp', {'required': true}],
    ['SystemModstamp', 'timestamp', {'required': true}],
    ['CurrencyIsoCode', 'text'],
]) }}
