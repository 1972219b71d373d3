{# The entities every source's staging models map onto: their columns and types, in order. #}
{% macro entity_columns(entity) -%}
    {%- set text, date, time, flag = 'varchar', 'date', 'timestamp', 'boolean' -%}
    {%- set money, rate, whole = 'decimal(18, 6)', 'decimal(18, 8)', 'bigint' -%}
    {%- set entities = {
        'customers': [
            ['customer_id', text], ['email_key', text], ['name_key', text], ['segment', text], ['region', text],
            ['country', text], ['created_at', time], ['account_owner_id', text], ['updated_at', time],
        ],
        'orders': [
            ['order_id', text], ['customer_id', text], ['ordered_at', time], ['status', text], ['currency_code', text],
            ['channel', text], ['region', text], ['rep_id', text], ['updated_at', time], ['is_deleted', flag],
        ],
        'order_items': [
            ['order_item_id', text], ['order_id', text], ['product_id', text], ['quantity', whole], ['unit_price', money],
            ['discount_amount', money], ['tax_amount', money], ['unit_cost', money],
        ],
        'refunds': [
            ['refund_id', text], ['order_id', text], ['order_item_id', text], ['refunded_at', time], ['amount', money],
            ['currency_code', text], ['reason', text],
        ],
        'leads': [
            ['lead_id', text], ['email_key', text], ['created_at', time], ['source', text], ['campaign_id', text],
            ['sdr_id', text], ['mql_at', time], ['sql_at', time], ['converted_at', time], ['opportunity_id', text],
            ['is_deleted', flag], ['updated_at', time],
        ],
        'sales_reps': [
            ['rep_id', text], ['name', text], ['role', text], ['team', text], ['region', text], ['manager_id', text],
            ['hired_on', date], ['left_on', date],
        ],
        'fx_rates': [['rate_date', date], ['from_currency', text], ['to_currency', text], ['rate', rate]],
    } -%}
    {{ return(entities[entity]) }}
{%- endmacro %}


{# True when an enabled source delivers the entity. #}
{% macro has_source(entity) -%}
    {{ return(var('entities').get(entity, []) | length > 0) }}
{%- endmacro %}


{# The entity's rows of every enabled source, with where each row came from; no rows when no source delivers it. #}
{% macro union_entity(entity) -%}
    {%- set columns = entity_columns(entity) -%}
    {%- for source_name in var('entities').get(entity, []) %}
select
    {%- for name, type in columns %}
    cast({{ name }} as {{ type }}) as {{ name }},
    {%- endfor %}
    '{{ source_name }}' as _source,
    _source_file,
    _row_number,
    _delivered_on
from {{ ref('stg_' ~ source_name ~ '__' ~ entity) }}
{{ 'union all' if not loop.last }}
    {%- else %}
select
    {%- for name, type in columns %}
    cast(null as {{ type }}) as {{ name }},
    {%- endfor %}
    cast(null as varchar) as _source,
    cast(null as varchar) as _source_file,
    cast(null as bigint) as _row_number,
    cast(null as date) as _delivered_on
where false
    {%- endfor %}
{%- endmacro %}
