{# How models get into DuckDB: as with dbt's own materializations, but in a single transaction of few statements. dbt's own
   rename the previous relation and drop it in a second transaction, and dbt makes a new context for each of these steps. #}


{% materialization table, adapter='duckdb', supported_languages=['sql', 'python'] %}
    {%- if is_constrained() -%}
        {{ return(dbt.materialization_table_duckdb()) }}
    {%- endif -%}
    {%- set target = this.incorporate(type='table') -%}
    {%- set unfinished = make_intermediate_relation(target) -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {#- Under another name, since a model may read what it has been so far. -#}
    {% call statement('main', language=model['language']) -%}
        {{ create_table_as(False, unfinished, compiled_code, model['language']) }}
    {%- endcall %}
    {% call statement('replace') -%}
        {{ drop_previous(target) }}
        alter table {{ unfinished }} rename to {{ adapter.quote(target.identifier) }}
    {%- endcall %}
    {{ finish(target) }}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}


{% materialization view, adapter='duckdb' %}
    {%- set target = this.incorporate(type='view') -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% call statement('main') -%}
        {{ drop_previous(target) }}
        {{ create_view_as(target, sql) }}
    {%- endcall %}
    {{ finish(target) }}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}


{# Whether the model's table has an index or a constraint. Other tables may refer to it, and dbt's own macros know the order in
   which these must be dropped. #}
{% macro is_constrained() -%}
    {%- set constrained = model['columns'].values() | selectattr('constraints') | list -%}
    {{ return(config.get('indexes') or model['constraints'] or constrained) }}
{%- endmacro %}


{# Drops the relation that `target` replaces, if there is one, even if one is a view and the other a table. #}
{% macro drop_previous(target) -%}
    {%- set previous = load_cached_relation(target) -%}
    {%- if previous is none -%}
        {{ return('') }}
    {%- endif -%}
    {%- if previous.type != target.type -%}
        {%- do adapter.cache_dropped(previous) -%}
    {%- endif -%}
    {{ return('drop ' ~ previous.type ~ ' if exists ' ~ previous ~ ';') }}
{%- endmacro %}


{% macro finish(target) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do persist_docs(target, model) %}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
{%- endmacro %}
