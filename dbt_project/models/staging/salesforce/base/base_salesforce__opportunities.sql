-- Every delivered row of salesforce.opportunities, typed; one row per delivered row, unreadable ones with the reason.
-- What no model needs, names and phone numbers above all, stays in raw.
{{ typed_deliveries('salesforce', 'opportunities', [
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
