{# The entities that the staging models of every source produce: their columns and types, in order. #}
{% macro entity_columns(entity) -%}
    {%- set text, date, time, flag = 'string', 'date', 'timestamp', 'boolean' -%}
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
            ['currency_code', text], ['reason', text], ['customer_id', text], ['region', text], ['channel', text],
            ['rep_id', text],
        ],
        'leads': [
            ['lead_id', text], ['email_key', text], ['created_at', time], ['source', text], ['campaign_id', text],
            ['sdr_id', text], ['mql_at', time], ['sql_at', time], ['converted_at', time], ['opportunity_id', text],
            ['is_deleted', flag], ['updated_at', time],
        ],
        'opportunities': [
            ['opportunity_id', text], ['customer_id', text], ['lead_id', text], ['owner_id', text], ['sdr_id', text],
            ['type', text], ['stage', text], ['amount', money], ['currency_code', text], ['created_at', time],
            ['expected_close_date', date], ['closed_at', time], ['is_won', flag], ['is_closed', flag],
            ['loss_reason', text], ['updated_at', time], ['product', text],
        ],
        'opportunity_stage_history': [
            ['opportunity_id', text], ['stage', text], ['changed_at', time], ['changed_by', text], ['owner_id', text],
        ],
        'sales_reps': [
            ['rep_id', text], ['name', text], ['role', text], ['team', text], ['region', text], ['manager_id', text],
            ['hired_on', date], ['left_on', date], ['office', text],
        ],
        'sales_rep_versions': [
            ['rep_id', text], ['valid_from', date], ['name', text], ['role', text], ['team', text], ['region', text],
            ['manager_id', text], ['hired_on', date], ['left_on', date], ['office', text],
        ],
        'quotas': [
            ['rep_id', text], ['period_month', date], ['kpi_id', text], ['target_value', money], ['currency_code', text],
        ],
        'products': [['product_id', text], ['name', text], ['category', text], ['unit_cost', money]],
        'campaigns': [
            ['campaign_id', text], ['channel', text], ['platform', text], ['name', text], ['is_paid', flag],
        ],
        'ad_spend': [
            ['spend_date', date], ['campaign_id', text], ['impressions', whole], ['clicks', whole], ['spend', money],
            ['currency_code', text], ['platform_conversions', money], ['platform_revenue', money],
        ],
        'touchpoints': [
            ['touchpoint_id', text], ['lead_id', text], ['customer_id', text], ['campaign_id', text], ['channel', text],
            ['touched_at', time],
        ],
        'sales_marketing_costs': [
            ['cost_month', date], ['cost_type', text], ['amount', money], ['currency_code', text],
        ],
        'nps_invitations': [
            ['invitation_id', text], ['customer_id', text], ['sent_at', time], ['channel', text],
        ],
        'nps_responses': [
            ['response_id', text], ['invitation_id', text], ['customer_id', text], ['score', whole],
            ['responded_at', time], ['segment', text], ['region', text],
        ],
        'fx_rates': [['rate_date', date], ['from_currency', text], ['to_currency', text], ['rate', rate]],
    } -%}
    {{ return(entities[entity]) }}
{%- endmacro %}


{# Columns of the entity that a staging model may omit, because few sources have them. #}
{% macro optional_columns(entity) -%}
    {{ return({
        'refunds': ['customer_id', 'region', 'channel', 'rep_id'],
        'nps_responses': ['segment', 'region'],
        'ad_spend': ['platform_conversions', 'platform_revenue'],
        'opportunities': ['product'],
        'sales_reps': ['office'],
        'sales_rep_versions': ['office'],
    }.get(entity, [])) }}
{%- endmacro %}


{# Columns with which rows of one source refer to each other, and the entity whose key each column is. Two sources may use the
   same number for different things. Customers, reps, products and campaigns are not listed, because sources share them. #}
{% macro ids_of_a_source() -%}
    {{ return({
        'order_id': 'orders', 'order_item_id': 'order_items', 'refund_id': 'refunds', 'lead_id': 'leads',
        'opportunity_id': 'opportunities', 'invitation_id': 'nps_invitations', 'response_id': 'nps_responses',
    }) }}
{%- endmacro %}


{# For each entity that can be derived: the entity that it is derived from if a source does not deliver it. #}
{% macro derivable_from() -%}
    {{ return({'orders': 'order_items', 'order_items': 'orders', 'sales_rep_versions': 'sales_reps'}) }}
{%- endmacro %}


{# The enabled sources that deliver the entity or only the one that it can be derived from, as [source, is_derived]. #}
{% macro sources_of(entity) -%}
    {%- set delivering = var('entities').get(entity, []) -%}
    {%- set found = [] -%}
    {%- for source_name in delivering -%}
        {%- do found.append([source_name, false]) -%}
    {%- endfor -%}
    {%- for source_name in var('entities').get(derivable_from().get(entity), []) if source_name not in delivering -%}
        {%- do found.append([source_name, true]) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}


{# True if an enabled source delivers the entity, or the entity that it can be derived from. #}
{% macro has_source(entity) -%}
    {{ return(sources_of(entity) | length > 0) }}
{%- endmacro %}


{# All entities that an enabled source delivers, or that can be derived from a delivered entity. #}
{% macro delivered_entities() -%}
    {%- set delivered = var('entities').keys() | list -%}
    {%- for entity in derivable_from() if has_source(entity) -%}
        {%- do delivered.append(entity) -%}
    {%- endfor -%}
    {{ return(delivered) }}
{%- endmacro %}


{# The optional columns of the entity that a built staging model lacks. Raises an error that lists the others that it lacks,
   unless the entity is derived from this model and so gets them elsewhere. #}
{% macro lacking_columns(staging_model, entity, is_derived=false) -%}
    {%- set lacking, missing, found = [], [], [] -%}
    {%- if execute and (optional_columns(entity) or not is_derived) -%}
        {%- do found.extend(column_names(staging_model)) -%}
        {%- for name, _ in entity_columns(entity) if name not in found -%}
            {%- do (lacking if name in optional_columns(entity) else missing).append(name) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- if found and missing and not is_derived -%}
        {{ exceptions.raise_compiler_error(
            staging_model.identifier ~ " lacks " ~ missing | join(", ") ~ ". A staging model of " ~ entity ~ " has every "
            ~ "column of the entity, NULL where the source does not know it: see macros/entities.sql."
        ) }}
    {%- endif -%}
    {{ return(lacking) }}
{%- endmacro %}


{# Names of the columns of a relation; none if it is not built, as in a unit test or before the first build. #}
{% macro column_names(relation) -%}
    {{ return(adapter.dispatch('column_names')(relation)) }}
{%- endmacro %}

{% macro default__column_names(relation) -%}
    {{ return(adapter.get_columns_in_relation(relation) | map(attribute='name') | list) }}
{%- endmacro %}

{# The adapter would make a new context for its macro, which takes ten times as long as the query. #}
{% macro duckdb__column_names(relation) -%}
    {%- set found = run_query(
        "select column_name from duckdb_columns() where database_name = '" ~ relation.database ~ "' and schema_name = '"
        ~ relation.schema ~ "' and table_name = '" ~ relation.identifier ~ "'"
    ) -%}
    {{ return(found.columns[0].values() | list) }}
{%- endmacro %}


{# The entity's rows from all enabled sources, with the origin of each row; no rows if no source delivers the entity. If
   several sources use the same number for rows of theirs, the name of the source is put in front of it: `shop_a:1001`. #}
{% macro union_entity(entity) -%}
    {%- set shared = [] -%}
    {%- for name, _ in entity_columns(entity) if sources_of(ids_of_a_source().get(name, '')) | length > 1 -%}
        {%- do shared.append(name) -%}
    {%- endfor -%}
    {%- if not shared -%}
{{ union_as_delivered(entity) }}
    {%- else -%}
select
    {%- for name, type in entity_columns(entity) %}
    {%- if name in shared %}
    case
        when shared_{{ name }}.id is not null then concat(delivered._source, ':', delivered.{{ name }})
        else delivered.{{ name }}
    end as {{ name }},
    {%- else %}
    delivered.{{ name }},
    {%- endif %}
    {%- endfor %}
    delivered._source,
    delivered._source_file,
    delivered._row_number,
    delivered._delivered_on
from (
{{ union_as_delivered(entity) }}
) as delivered
    {%- for name in shared %}
left join {{ ref('int_shared_ids') }} as shared_{{ name }}
    on
        shared_{{ name }}.entity = '{{ ids_of_a_source()[name] }}'
        and delivered.{{ name }} = shared_{{ name }}.id
        -- What another system says of it may mean either.
        and delivered._source in ({{ text_list(sources_of(ids_of_a_source()[name]) | map('first') | list) }})
    {%- endfor %}
    {%- endif %}
{%- endmacro %}


{# The entity's rows, reduced to the most recently written row of each `key`. `updated` is the column with the time of the
   change, if there is one. #}
{% macro newest_of_sources(entity, key, updated=none) -%}
select
    {%- for column, _ in entity_columns(entity) %}
    {{ column }},
    {%- endfor %}
    _source,
    _source_file,
    _row_number,
    _delivered_on
from (
    select
        *,
        row_number() over (
            partition by {{ key }}
            order by {{ updated ~ ' desc nulls last, ' if updated }}_delivered_on desc, _source asc, _source_file asc, _row_number asc
        ) as _rank
    from (
{{ union_entity(entity) }}
    ) as delivered
    where {{ key }} is not null
) as ranked
where _rank = 1
{%- endmacro %}


{# The entity's rows as in `union_entity`, but with the numbers as delivered. #}
{% macro union_as_delivered(entity) -%}
    {%- set columns = entity_columns(entity) -%}
    {%- for source_name, is_derived in sources_of(entity) %}
    {%- set delivered = derivable_from()[entity] if is_derived else entity -%}
    {%- set staging_model = ref('stg_' ~ source_name ~ '__' ~ delivered) -%}
    {%- set lacking = lacking_columns(staging_model, entity, is_derived) %}
select
    {%- for name, type in columns %}
    cast({{ 'null' if name in lacking else name }} as {{ type }}) as {{ name }},
    {%- endfor %}
    '{{ source_name }}' as _source,
    _source_file,
    _row_number,
    _delivered_on
from {% if is_derived -%}
    ({{ derived_entity(entity, staging_model) }}) as derived
    {%- else -%}
    {{ staging_model }}
    {%- endif %}
{{ 'union all' if not loop.last }}
    {%- else %}
select
    {%- for name, type in columns %}
    cast(null as {{ type }}) as {{ name }},
    {%- endfor %}
    cast(null as string) as _source,
    cast(null as string) as _source_file,
    cast(null as bigint) as _row_number,
    cast(null as date) as _delivered_on
where false
    {%- endfor %}
{%- endmacro %}


{# An entity, derived from the staging table `basis`, for a source that delivers only one level. #}
{% macro derived_entity(entity, basis) -%}
    {%- if entity == 'order_items' -%}
    {#- Only order totals are delivered: an order becomes one line of one unit. `total_amount` is what the customer paid, without
        tax. -#}
    select
        order_id as order_item_id,
        order_id,
        cast(null as string) as product_id,
        1 as quantity,
        total_amount as unit_price,
        0 as discount_amount,
        cast(null as decimal(18, 6)) as tax_amount,
        cast(null as decimal(18, 6)) as unit_cost,
        _source_file,
        _row_number,
        _delivered_on
    from {{ basis }}
    {%- elif entity == 'orders' -%}
    {#- Only order lines are delivered: each line carries the columns of its order, and those of the first line are used. -#}
    select *
    from (
        select
            *,
            row_number() over (partition by order_id order by ordered_at, order_item_id) as _line
        from {{ basis }}
    ) as order_lines
    where _line = 1
    {%- elif entity == 'sales_rep_versions' -%}
    {#- No history is delivered: the current state applies to the whole past. -#}
    select
        *,
        cast(null as date) as valid_from
    from {{ basis }}
    {%- endif -%}
{%- endmacro %}
