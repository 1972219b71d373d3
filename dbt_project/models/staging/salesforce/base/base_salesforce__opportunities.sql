-- Every delivered row of salesforce.opportunities, typed; one row per delivered row, unreadable ones with the reason.
-- Columns that no model needs stay in raw, above all names and phone numbers.
-- Reports write dates as their user's locale does.
{%- set dates = var('date_formats')['salesforce'] %}
{{ delivery_log('salesforce', 'opportunities', [
    ['Id', 'text', {'required': true}],
    ['IsDeleted', 'boolean'],
    ['AccountId', 'text'],
    [quoted('Account Name'), 'text'],
    ['Type', 'text'],
    ['StageName', 'text', {'required': true}],
    ['Amount', 'decimal'],
    ['CloseDate', 'date', {'required': true, 'format': dates}],
    ['IsClosed', 'boolean'],
    ['IsWon', 'boolean'],
    ['OwnerId', 'text'],
    ['Owner', 'text'],
    ['CreatedDate', 'timestamp', {'time_zone': var('time_zone'), 'format': dates}],
    ['SystemModstamp', 'timestamp'],
    ['CurrencyIsoCode', 'text'],
]) }}
