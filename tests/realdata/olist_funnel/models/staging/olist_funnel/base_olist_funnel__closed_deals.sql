-- Every delivered deal, typed; one row per delivered row.
{{ delivery_log('olist_funnel', 'closed_deals', [
    ['mql_id', 'text', {'required': true}],
    ['sdr_id', 'text'],
    ['sr_id', 'text'],
    ['won_date', 'timestamp', {'required': true, 'time_zone': 'America/Sao_Paulo'}],
]) }}
