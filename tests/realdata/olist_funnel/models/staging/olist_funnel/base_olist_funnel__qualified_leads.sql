-- Every delivered lead, typed; one row per delivered row.
{{ delivery_log('olist_funnel', 'qualified_leads', [
    ['mql_id', 'text', {'required': true}],
    ['first_contact_date', 'timestamp', {'required': true, 'time_zone': 'America/Sao_Paulo'}],
    ['landing_page_id', 'text'],
    ['origin', 'text'],
]) }}
